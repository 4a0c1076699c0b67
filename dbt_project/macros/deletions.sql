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
