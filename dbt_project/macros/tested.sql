{#
    After a build of the whole project in which nothing failed: all that was
    built is tested, and stays so until it is built again.
#}
{% macro note_tested(results) -%}
    {%- set built_dates = ref('int_built_dates') -%}
    {%- set is_whole = (
        execute
        and flags.WHICH == 'build'
        and not invocation_args_dict.select
        and not invocation_args_dict.exclude
    ) -%}
    {%- set fine = ['success', 'pass', 'warn', 'no-op'] -%}
    {%- if is_whole and not (
        results | map(attribute='status') | reject('in', fine) | list
    ) -%}
        {{ adapter.dispatch('set_tested')(built_dates) }}
    {%- endif -%}
{%- endmacro %}

{% macro duckdb__set_tested(built_dates) -%}
    update {{ built_dates }}
    set is_tested = true
    where not is_tested
{%- endmacro %}

{% macro spark__set_tested(built_dates) -%}
    insert overwrite table {{ built_dates }} partition (table_name)
    select built_date, content_hash, true as is_tested, table_name
    from {{ built_dates }}
{%- endmacro %}
