with

stg_events as (

    select * from {{ ref('stg_events') }}
    where event_type in ('served', 'impression', 'click', 'purchase')

),

served as (

    select
        request_id,
        item_id,
        min(user_id) as user_id,
        min(event_at) as served_at,
        min(position) as position,
        min(coalesce(placement, '')) as placement,
        min(
            coalesce(
                variant, if(experiment_id is null, 'control', '')
            )
        ) as variant,
        min(coalesce(experiment_id, '')) as experiment_id,
        min(coalesce(publication_id, '')) as publication_id,
        min(coalesce(source, '')) as source,
        min(team) as team,
        min(propensity) as propensity
    from stg_events
    where event_type = 'served' and request_id is not null
    group by request_id, item_id

),

reactions as (

    select
        request_id,
        item_id,
        user_id,
        min(event_at) filter (
            where event_type = 'impression'
        ) as impression_at,
        min(event_at) filter (where event_type = 'click') as click_at
    from stg_events
    where event_type in ('impression', 'click') and request_id is not null
    group by request_id, item_id, user_id

),

purchases as (

    select
        event_id,
        user_id,
        item_id,
        event_at,
        abs(coalesce(event_value, 1)) * coalesce(unit_price, 0) as revenue
    from stg_events
    where event_type = 'purchase'

),

{# A purchase belongs to the last answer that showed the item to the user. #}
attributed as (

    select
        purchases.revenue,
        served.request_id,
        served.item_id,
        row_number() over (
            partition by purchases.event_id
            order by served.served_at desc, served.request_id desc
        ) as recency_rank
    from purchases
    inner join served
        on
            purchases.user_id = served.user_id
            and purchases.item_id = served.item_id
            and purchases.event_at >= served.served_at
            and purchases.event_at
            < served.served_at + {{ days(var('attribution_days')) }}

),

bought as (

    select
        request_id,
        item_id,
        count(*) as purchase_count,
        {{ exact_sum('revenue') }} as revenue
    from attributed
    where recency_rank = 1
    group by request_id, item_id

),

{# What somebody else did counts for nobody: an answer is one user's. #}
shown_items as (

    select
        served.request_id,
        served.item_id,
        served.user_id,
        served.served_at,
        cast(served.served_at as date) as served_date,
        served.position,
        served.placement,
        served.variant,
        served.experiment_id,
        served.publication_id,
        served.source,
        served.team,
        served.propensity,
        reactions.impression_at,
        {# A click counts where the item is known to have been seen. #}
        case
            when reactions.impression_at is not null then reactions.click_at
        end as click_at,
        coalesce(bought.purchase_count, 0) as purchase_count,
        coalesce(bought.revenue, 0) as revenue
    from served
    left join reactions
        on
            served.request_id = reactions.request_id
            and served.item_id = reactions.item_id
            and served.user_id = reactions.user_id
    left join bought
        on
            served.request_id = bought.request_id
            and served.item_id = bought.item_id

)

select * from shown_items
