{#
    int_built_dates says what the rows of a table were built from, date by
    date. A table forgets the dates that would be built from something else
    now, builds what is missing, and remembers it, all in one transaction.
#}

{# The day files whose rows are in int_user_item_days, as they were then. #}
{% macro built_landings() -%}
    select distinct
        landed_date as built_date,
        landing_hash as content_hash
    from {{ ref('int_user_item_days') }}
{%- endmacro %}

{# The day files that are loaded, as they are now. #}
{% macro loaded_landings() -%}
    select
        landed_date as built_date,
        {{ landing_version('content_hash') }} as content_hash
    from {{ ref('int_landed_days') }}
{%- endmacro %}

{# All day files that a cutoff knows, in one hash. #}
{% macro known_landings(cutoff_query) -%}
    select
        asked.built_date,
        coalesce(
            bit_xor(
                {{ row_hash(['landings.built_date', 'landings.content_hash']) }}
            ),
            0
        ) as content_hash
    from ({{ cutoff_query }}) as asked
    left join ({{ built_landings() }}) as landings
        on asked.built_date > landings.built_date
    group by asked.built_date
{%- endmacro %}

{# What is remembered of a table. #}
{% macro remembered(relation) -%}
    select
        built_date,
        content_hash
    from {{ ref('int_built_dates') }}
    where table_name = '{{ relation.identifier }}'
{%- endmacro %}

{#
    Forget of a table with landed_date what landed on or after the first day
    file that is another than it was; everything, if the table is new.
#}
{% macro forget_landings(relation, landings) -%}
    {%- set changed -%}
        built_date >= (
            select min(coalesce(now.built_date, built.built_date))
            from ({{ landings }}) as now
            full join ({{ remembered(relation) }}) as built
                on now.built_date = built.built_date
            where now.content_hash is distinct from built.content_hash
        )
    {%- endset -%}
    {{ forget(relation, changed if is_incremental() else 'true') }}
{%- endmacro %}

{# Delete from a table with landed_date what is not remembered of it. #}
{% macro drop_forgotten_landings(relation) -%}
    {%- if is_incremental() -%}
        {%- set forgotten -%}
            landed_date not in (
                select built_date from ({{ remembered(relation) }}) as built
            )
        {%- endset -%}
        {{ delete_dates(relation, 'landed_date', forgotten) }}
    {%- endif -%}
{%- endmacro %}

{# What a table does not have any more, it does not remember. #}
{% macro forget_what_is_gone(relation) -%}
    {%- set gone -%}
        built_date not in (select landed_date from {{ relation }})
    {%- endset -%}
    {{ forget(relation, gone if is_incremental() else 'true') }}
{%- endmacro %}

{# The newest day file whose rows a table has; what landed later it lacks. #}
{% macro newest_landing(relation) -%}
    coalesce(
        (select max(built_date) from ({{ remembered(relation) }}) as built),
        date '0001-01-01'
    )
{%- endmacro %}

{# After a table has been built: its dates, as they were when it was. #}
{% macro remember(relation, dates) -%}
    insert into {{ ref('int_built_dates') }} by name
    select
        '{{ relation.identifier }}' as table_name,
        built_date,
        content_hash,
        false as is_tested
    from ({{ dates }}) as now
    where built_date not in (
        select built_date from ({{ remembered(relation) }}) as built
    )
{%- endmacro %}
