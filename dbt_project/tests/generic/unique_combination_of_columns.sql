{#
    Fails for each combination that is there more than once. Rows are counted
    by hash first, which keeps millions of long keys out of memory; only the
    few that collide are compared in full.
#}
{% test unique_combination_of_columns(model, combination) %}
    with

    rows_to_test as (

        select
            {{ combination | join(', ') }},
            {{ row_hash(combination) }} as row_hash
        from {{ model }}

    ),

    repeated_hashes as (

        select row_hash
        from rows_to_test
        group by row_hash
        having count(*) > 1

    ),

    repeated as (

        select
            {{ combination | join(', ') }},
            count(*) as row_count
        from rows_to_test
        where row_hash in (select row_hash from repeated_hashes)
        group by {{ combination | join(', ') }}
        having count(*) > 1

    )

    select * from repeated
{% endtest %}
