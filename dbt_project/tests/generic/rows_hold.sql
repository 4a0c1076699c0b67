{#
    Fails with each rule that rows break, and in how many: a column of the key
    or of `not_null` is null, a key is there more than once, the expression is
    false or null. One test holds all rules of a model: dbt spends more time
    around a query than these queries take. Keys are counted by hash first,
    which keeps millions of long ones out of memory.
#}
{% test rows_hold(model, key=none, not_null=[], expression='true') %}
    {%- set columns = (key or []) + not_null %}
    with

    {%- if key %}

    repeated_hashes as (

        select {{ row_hash(key) }} as row_hash
        from {{ model }}
        group by {{ row_hash(key) }}
        having count(*) > 1

    ),

    repeated_keys as (

        select {{ key | join(', ') }}
        from {{ model }}
        where {{ row_hash(key) }} in (select row_hash from repeated_hashes)
        group by {{ key | join(', ') }}
        having count(*) > 1

    ),

    {%- endif %}

    counts as (

        select
    {%- for column in columns %}
            count(*) - count({{ column }}) as null_{{ loop.index }},
        {%- endfor %}
    {%- if key %}
            (select count(*) from repeated_keys) as repeated,
        {%- endif %}
            count(*) filter (where ({{ expression }}) is not true) as untrue
        from {{ model }}

    ),

    broken as (

        select
            ''
    {%- for column in columns %}
            || {{ broken_rule(
                'null_' ~ loop.index,
                column ~ ' must not be null',
                'rows have none'
            ) }}
        {%- endfor %}
{%- if key %}
            || {{ broken_rule(
                'repeated',
                key | join(', ') ~ ' must be unique',
                'keys are not'
            ) }}
        {%- endif %}
            || {{ broken_rule(
                'untrue',
                expression ~ ' must hold',
                'rows break it'
            ) }} as rules
        from counts

    )

    select rules
    from broken
    where
        case
            when rules != '' then {{ fail_with('rules') }} is null
            else false
        end
{% endtest %}
