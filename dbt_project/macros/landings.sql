{#
    Which day file a row was built from, and by what: a hash of the day's rows,
    of the project's files, and of the settings that change what is built.
#}
{% macro landing_version(content_hash) -%}
    {{ row_hash([
        content_hash,
        literal(var('project_hash')),
        literal(var('exposures') | join(' ')),
        literal(var('min_value') | tojson),
        var('half_life_days'),
        var('heavy_user_days'),
    ]) }}
{%- endmacro %}

{#
    Delete from int_user_item_days what landed on or after the first day that
    is not as it was when the table was built; everything, if it does not say.
#}
{% macro forget_changed_landings(relation) -%}
    {%- if is_incremental() -%}
        {%- set names = adapter.get_columns_in_relation(relation)
            | map(attribute='name') | list -%}
        {%- set changed -%}
            landed_date >= (
                select min(coalesce(now.landed_date, built.landed_date))
                from (
                    select
                        landed_date,
                        {{ landing_version('content_hash') }} as landing_hash
                    from {{ ref('int_landed_days') }}
                ) as now
                full join (
                    select distinct
                        landed_date,
                        landing_hash
                    from {{ relation }}
                ) as built
                    on now.landed_date = built.landed_date
                where now.landing_hash is distinct from built.landing_hash
            )
        {%- endset -%}
        {{ delete_dates(
            relation, 'landed_date',
            changed if 'landing_hash' in names else 'true'
        ) }}
    {%- endif -%}
{%- endmacro %}
