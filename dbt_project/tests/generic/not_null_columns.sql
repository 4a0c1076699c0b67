{#
    Fails with the name of each column that is null somewhere. One test for
    all columns of a model: a test of its own for each would take longer
    around the query than in it.
#}
{% test not_null_columns(model, columns) %}
    with

    nulls as (

        select
        {%- for column in columns %}
            count(*) - count({{ column }}) as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
        from {{ model }}

    ),

    by_column as (

        select
            column_name,
            null_count
        from nulls
        unpivot (null_count for column_name in ({{ columns | join(', ') }}))

    )

    select
        column_name,
        null_count
    from by_column
    where
        case
            when null_count > 0 then {{ fail_with(
                "column_name || ' must not be null, and is in ' || null_count || ' rows'"
            ) }} is null
            else false
        end
{% endtest %}
