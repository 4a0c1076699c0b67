{# What a build takes out of tables, date by date, before it adds to them. #}

{# Delete the rows of a table whose date fulfils a condition on it alone. #}
{% macro delete_dates(relation, column, condition) -%}
    {{ adapter.dispatch('delete_dates')(relation, column, condition) }}
{%- endmacro %}

{% macro duckdb__delete_dates(relation, column, condition) -%}
    delete from {{ relation }}
    where {{ condition }}
{%- endmacro %}

{# Delete from int_built_dates the rows of a table that fulfil a condition. #}
{% macro forget(relation, condition) -%}
    {{ adapter.dispatch('forget')(relation, condition) }}
{%- endmacro %}

{% macro duckdb__forget(relation, condition) -%}
    delete from {{ ref('int_built_dates') }}
    where
        table_name = '{{ relation.identifier }}'
        and {{ condition }}
{%- endmacro %}

{# Parquet knows no delete: whole partitions are dropped, found beforehand. #}
{% macro spark__delete_dates(relation, column, condition) -%}
    {%- set found = values_of(
        'select distinct cast(' ~ column ~ ' as string) from ' ~ relation
        ~ ' where ' ~ condition
    ) -%}
    {%- set partitions = [] -%}
    {%- for day in found | sort -%}
        {%- do partitions.append(
            "partition (" ~ column ~ " = date '" ~ day ~ "')"
        ) -%}
    {%- endfor -%}
    {%- if partitions -%}
        alter table {{ relation }} drop if exists {{ partitions | join(', ') }}
    {%- endif -%}
{%- endmacro %}

{# The partition of a table is written again with the rows that stay. #}
{% macro spark__forget(relation, condition) -%}
    {%- set built_dates = ref('int_built_dates') -%}
    {%- set kept = (
        "table_name = '" ~ relation.identifier ~ "' and not coalesce("
        ~ condition ~ ", false)"
    ) -%}
    {%- if values_of(
        'select table_name from ' ~ built_dates ~ ' where ' ~ kept ~ ' limit 1'
    ) -%}
        insert overwrite table {{ built_dates }} partition (table_name)
        select built_date, content_hash, is_tested, table_name
        from {{ built_dates }}
        where {{ kept }}
    {%- else -%}
        alter table {{ built_dates }} drop if exists
        partition (table_name = '{{ relation.identifier }}')
    {%- endif -%}
{%- endmacro %}

{# The values of a query's one column; none while the project is parsed. #}
{% macro values_of(query) -%}
    {{ return(run_query(query).columns[0].values() | list if execute else []) }}
{%- endmacro %}
