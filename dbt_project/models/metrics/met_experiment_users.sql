with

stg_events as (

    select * from {{ ref('stg_events') }}
    where event_type = 'served' and experiment_id is not null

),

int_shown_items as (

    select * from {{ ref('int_shown_items') }}
    where experiment_id != ''

),

int_user_purchases as (

    select * from {{ ref('int_user_purchases') }}

),

{# A unit is exposed at its first answer; what it was in then is its arm. #}
exposed as (

    select
        experiment_id,
        user_id,
        min(event_at) as first_served_at,
        {{ first_known('placement') }} as placement,
        {{ first_known('variant') }} as variant,
        count(distinct variant) as variant_count,
        {{ first_known('bucket') }} as bucket,
        {{ first_known('config_hash') }} as config_hash,
        count(distinct config_hash) as config_hash_count,
        bool_or(lists_differ) as lists_differ,
        count(distinct request_id) as answer_count
    from stg_events
    group by experiment_id, user_id

),

reactions as (

    select
        experiment_id,
        user_id,
        count(impression_at) as impression_count,
        count(click_at) as click_count
    from int_shown_items
    group by experiment_id, user_id

),

bought as (

    select
        exposed.experiment_id,
        exposed.user_id,
        count(*) filter (
            where int_user_purchases.purchased_at >= exposed.first_served_at
        ) as purchase_count,
        {{ exact_sum(
            'case when purchased_at >= first_served_at then revenue end'
        ) }} as revenue,
        count(*) filter (
            where int_user_purchases.purchased_at < exposed.first_served_at
        ) as purchase_count_before,
        {{ exact_sum(
            'case when purchased_at < first_served_at then revenue end'
        ) }} as revenue_before
    from exposed
    inner join int_user_purchases
        on
            exposed.user_id = int_user_purchases.user_id
            and int_user_purchases.purchased_at
            >= exposed.first_served_at - {{ days(var('covariate_days')) }}
            and int_user_purchases.purchased_at
            < exposed.first_served_at + {{ days(var('attribution_days')) }}
    group by exposed.experiment_id, exposed.user_id

),

experiment_users as (

    select
        exposed.experiment_id,
        exposed.user_id,
        exposed.placement,
        exposed.variant,
        exposed.variant_count,
        exposed.bucket,
        exposed.config_hash,
        exposed.config_hash_count,
        exposed.lists_differ,
        exposed.first_served_at,
        exposed.answer_count,
        coalesce(reactions.impression_count, 0) as impression_count,
        coalesce(reactions.click_count, 0) as click_count,
        coalesce(bought.purchase_count, 0) as purchase_count,
        coalesce(bought.revenue, 0) as revenue,
        coalesce(bought.purchase_count_before, 0) as purchase_count_before,
        coalesce(bought.revenue_before, 0) as revenue_before
    from exposed
    left join reactions
        on
            exposed.experiment_id = reactions.experiment_id
            and exposed.user_id = reactions.user_id
    left join bought
        on
            exposed.experiment_id = bought.experiment_id
            and exposed.user_id = bought.user_id

)

select * from experiment_users
