{# Delete tonight's cutoffs from a feature table, before they are appended. #}
{% macro forget_cutoffs(relation) -%}
    {%- if is_incremental() -%}
        delete from {{ relation }}
        where cutoff_date in ({{ date_list(var('cutoffs')) }})
    {%- endif -%}
{%- endmacro %}

{#
    Drop the cutoffs that are older than the newest by more than
    retention_days. Tonight's stay, however old: a rerun of an old night
    needs them for its snapshot.
#}
{% macro drop_old_cutoffs(relation) -%}
    delete from {{ relation }}
    where
        cutoff_date < (
            select max(newest.cutoff_date) from {{ relation }} as newest
        ) - {{ var('retention_days') }}
        and cutoff_date not in ({{ date_list(var('cutoffs')) }})
{%- endmacro %}

{# Comma-separated SQL dates from ISO texts. #}
{% macro date_list(days) -%}
    {%- for day in days -%}
        date '{{ day }}'{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
