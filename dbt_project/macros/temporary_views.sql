{#
    What an incremental model adds is read once, to be inserted: a view is
    enough. dbt-duckdb makes a temporary table of it, which is written
    uncompressed, stays in memory until the build ends, and is read again.
#}
{% macro duckdb__create_table_as(
    temporary,
    relation,
    compiled_code,
    language='sql',
    partitioned_by=none,
    sorted_by=none
) -%}
    {%- if temporary and model.resource_type == 'model' -%}
        {{ get_assert_columns_equivalent(compiled_code) }}
        create temporary view
        {{ relation.include(database=false, schema=false) }}
        as (
            {{ compiled_code }}
        )
    {%- else -%}
        {{ dbt.duckdb__create_table_as(
            temporary, relation, compiled_code, language,
            partitioned_by=partitioned_by, sorted_by=sorted_by
        ) }}
    {%- endif -%}
{%- endmacro %}
