with

int_shown_items as (

    select * from {{ ref('int_shown_items') }}

),

list_days as (

    select
        served_date,
        placement,
        experiment_id,
        variant,
        publication_id,
        source,
        count(distinct request_id) as answer_count,
        count(distinct user_id) as user_count,
        count(*) as served_item_count,
        count(distinct item_id) as distinct_item_count,
        count(impression_at) as impression_count,
        count(click_at) as click_count,
        cast(sum(purchase_count) as bigint) as purchase_count,
        {{ exact_sum('revenue') }} as revenue,
        {{ safe_divide('count(click_at)', 'count(impression_at)') }} as ctr
    from int_shown_items
    group by
        served_date,
        placement,
        experiment_id,
        variant,
        publication_id,
        source

)

select * from list_days
