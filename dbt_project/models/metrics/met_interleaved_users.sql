with

int_shown_items as (

    select * from {{ ref('int_shown_items') }}
    where experiment_id != '' and team is not null

),

interleaved_users as (

    select
        experiment_id,
        user_id,
        team,
        min(served_at) as first_served_at,
        count(*) as shown_item_count,
        count(impression_at) as impression_count,
        count(click_at) as click_count
    from int_shown_items
    group by experiment_id, user_id, team

)

select * from interleaved_users
