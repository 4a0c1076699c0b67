{{
    config(
        materialized='incremental',
        partition_by='landed_date',
        on_schema_change='append_new_columns',
        pre_hook=[
            "{{ forget_changed_landings(this) }}",
            "{{ forget_what_is_gone(this) }}",
        ],
        post_hook="{{ remember(this, loaded_landings()) }}"
    )
}}
-- depends_on: {{ ref('int_built_dates') }}

with

int_landed_days as (

    select
        landed_date,
        {{ landing_version('content_hash') }} as landing_hash
    from {{ ref('int_landed_days') }}

),

{#
    What landed before says nothing about what lands later, so the days that
    are built and as they were stay. The others are gone from here by now.
#}
stg_events as (

    select * from {{ ref('stg_events') }}
    {% if is_incremental() -%}
        where landed_date > coalesce(
            (select max(built.landed_date) from {{ this }} as built),
            date '0001-01-01'
        )
    {%- endif %}

),

trades as (

    select
        *,
        abs(coalesce(event_value, 1)) as quantity,
        case event_type
            when 'purchase' then coalesce(unit_price, 0)
            when 'return' then -coalesce(unit_price, 0)
            else 0
        end as unit_revenue
    from stg_events
    where event_type in ('purchase', 'return', 'add_to_cart')

),

{# Few events have a quantity; the others are only counted. #}
landings as (

    select
        user_id,
        item_id,
        event_type,
        event_date,
        landed_date,
        count(*) as event_count,
        {{ exact_sum('quantity') }} as quantity,
        {{ exact_sum('quantity * unit_revenue') }} as revenue,
        min(event_at) as first_event_at,
        max(event_at) as last_event_at
    from trades
    group by user_id, item_id, event_type, event_date, landed_date
    union all
    select
        user_id,
        item_id,
        event_type,
        event_date,
        landed_date,
        count(*) as event_count,
        0 as quantity,
        0 as revenue,
        min(event_at) as first_event_at,
        max(event_at) as last_event_at
    from stg_events
    where event_type not in ('purchase', 'return', 'add_to_cart')
    group by user_id, item_id, event_type, event_date, landed_date

),

{#
    Nothing lands before it happens, so what landed on its own day landed
    first. Only the others, usually few, are compared.
#}
late_days as (

    select
        user_id,
        item_id,
        event_type,
        event_date
    from landings
    where landed_date > event_date

),

all_landings as (

    select
        user_id,
        item_id,
        event_type,
        event_date,
        landed_date
    from landings
    {% if is_incremental() -%}
        union all
        select
            user_id,
            item_id,
            event_type,
            event_date,
            landed_date
        from {{ this }}
    {%- endif %}

),

first_landings as (

    select
        all_landings.user_id,
        all_landings.item_id,
        all_landings.event_type,
        all_landings.event_date,
        min(all_landings.landed_date) as landed_date
    from all_landings
    where
        exists (
            select 1
            from late_days
            where
                late_days.user_id = all_landings.user_id
                and late_days.item_id = all_landings.item_id
                and late_days.event_type = all_landings.event_type
                and late_days.event_date = all_landings.event_date
        )
    group by all

),

user_item_days as (

    select
        landings.*,
        coalesce(
            landings.landed_date = first_landings.landed_date, true
        ) as is_first_landing,
        int_landed_days.landing_hash
    from landings
    inner join int_landed_days
        on landings.landed_date = int_landed_days.landed_date
    left join first_landings
        on
            landings.user_id = first_landings.user_id
            and landings.item_id = first_landings.item_id
            and landings.event_type = first_landings.event_type
            and landings.event_date = first_landings.event_date

)

select * from user_item_days
