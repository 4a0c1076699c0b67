with

stg_events as (

    select * from {{ ref('stg_events') }}

),

valued as (

    select
        user_id,
        item_id,
        event_type,
        event_date,
        landed_date,
        event_at,
        case
            when event_type in ('purchase', 'return', 'add_to_cart')
                then abs(coalesce(event_value, 1))
            else 0
        end as quantity,
        case
            when event_type = 'purchase' then coalesce(unit_price, 0)
            when event_type = 'return' then -coalesce(unit_price, 0)
            else 0
        end as unit_revenue
    from stg_events

),

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
    from valued
    group by user_id, item_id, event_type, event_date, landed_date

),

{#
    Nothing lands before it happens, so what landed on its own day landed
    first. Only the others, usually few, are compared.
#}
late_days as (

    select distinct
        user_id,
        item_id,
        event_type,
        event_date
    from landings
    where landed_date > event_date

),

first_landings as (

    select
        landings.user_id,
        landings.item_id,
        landings.event_type,
        landings.event_date,
        min(landings.landed_date) as landed_date
    from landings
    inner join late_days
        on
            landings.user_id = late_days.user_id
            and landings.item_id = late_days.item_id
            and landings.event_type = late_days.event_type
            and landings.event_date = late_days.event_date
    group by
        landings.user_id,
        landings.item_id,
        landings.event_type,
        landings.event_date

),

user_item_days as (

    select
        landings.*,
        coalesce(
            landings.landed_date = first_landings.landed_date, true
        ) as is_first_landing
    from landings
    left join first_landings
        on
            landings.user_id = first_landings.user_id
            and landings.item_id = first_landings.item_id
            and landings.event_type = first_landings.event_type
            and landings.event_date = first_landings.event_date

)

select * from user_item_days
