{{ config(materialized='view') }}

with

stg_events as (

    select * from {{ ref('stg_events') }}
    where event_type = 'purchase'

),

purchases as (

    select
        user_id,
        event_at as purchased_at,
        abs(coalesce(event_value, 1)) * coalesce(unit_price, 0) as revenue
    from stg_events

)

select * from purchases
