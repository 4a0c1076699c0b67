with

int_user_item_days as (

    select * from {{ ref('int_user_item_days') }}

),

user_days as (

    select
        user_id,
        event_date,
        min(landed_date) as landed_date
    from int_user_item_days
    where {{ is_user_action() }}
    group by user_id, event_date

)

select * from user_days
