{#
    Of the cutoffs of a feature table, those that would be the same if they
    were built now: all that they know is as it was.
#}
{% macro built_cutoffs(relation) -%}
    {%- if not is_incremental() -%}
        {{ return([]) }}
    {%- endif -%}
    {{ return(values_of(
        'select cast(built.built_date as string) from ('
        ~ remembered(relation) ~ ') as built inner join ('
        ~ known_landings(
            'select built_date from (' ~ remembered(relation) ~ ') as dates'
        )
        ~ ') as now on built.built_date = now.built_date'
        ~ ' and built.content_hash = now.content_hash'
    )) }}
{%- endmacro %}

{# Tonight's cutoffs that are not among those that are built. #}
{% macro missing_cutoffs(built) -%}
    {{ return(var('cutoffs') | reject('in', built) | list) }}
{%- endmacro %}

{#
    The newest cutoff before another one that is built: who did nothing that
    landed since then is as then, but for the days since. None if there is no
    such cutoff.
#}
{% macro cutoff_before(cutoff, built) -%}
    {{ return(built | select('lt', cutoff) | sort | last) }}
{%- endmacro %}

{# Who did something that landed from one cutoff up to another. #}
{% macro news(columns, before, cutoff) -%}
    select distinct {{ columns }}
    from {{ ref('int_user_item_days') }}
    where
        landed_date >= date '{{ before }}'
        and landed_date < date '{{ cutoff }}'
        and {{ is_user_action() }}
{%- endmacro %}

{# Forget the cutoffs of a feature table that would be others now. #}
{% macro forget_cutoffs(relation) -%}
    {%- set built = built_cutoffs(relation) or ['0001-01-01'] -%}
    {{ forget(relation, 'built_date not in (' ~ date_list(built) ~ ')') }}
{%- endmacro %}

{#
    Delete tonight's cutoffs from a feature table, before they are appended,
    but for those that are remembered.
#}
{% macro drop_forgotten_cutoffs(relation) -%}
    {%- if is_incremental() -%}
        {%- set forgotten -%}
            cutoff_date in ({{ date_list(var('cutoffs')) }})
            and cutoff_date not in (
                select built_date from ({{ remembered(relation) }}) as built
            )
        {%- endset -%}
        {{ delete_dates(relation, 'cutoff_date', forgotten) }}
    {%- endif -%}
{%- endmacro %}

{#
    Drop the cutoffs before retained_from. Tonight's stay, however old, and
    those of other nights that have not taken their snapshot yet.
#}
{% macro drop_old_cutoffs(relation) -%}
    {%- set kept = var('cutoffs') + var('cutoffs_being_read') -%}
    {%- set old -%}
        cutoff_date < date '{{ var('retained_from') }}'
        and cutoff_date not in ({{ date_list(kept) }})
    {%- endset -%}
    {{ delete_dates(relation, 'cutoff_date', old) }}
{%- endmacro %}

{# Forget the cutoffs that are neither there nor tonight's. #}
{% macro forget_old_cutoffs(relation) -%}
    {%- set gone -%}
        built_date not in ({{ date_list(var('cutoffs')) }})
        and built_date not in (select cutoff_date from {{ relation }})
    {%- endset -%}
    {{ forget(relation, gone) }}
{%- endmacro %}

{# After tonight's cutoffs were appended: what they were built from. #}
{% macro remember_cutoffs(relation) -%}
    {{ remember(
        relation,
        known_landings(
            select_dates(var('cutoffs'), 'built_date')
        )
    ) }}
{%- endmacro %}

{# One row per ISO text, as a date. #}
{% macro select_dates(days, name) -%}
    {%- for day in days -%}
        select date '{{ day }}' as {{ name }}{{ ' union all ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{# Comma-separated SQL dates from ISO texts. #}
{% macro date_list(days) -%}
    {%- for day in days -%}
        date '{{ day }}'{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
