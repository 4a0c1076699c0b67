with

int_cutoffs as (

    select * from {{ ref('int_cutoffs') }}

),

feat_user_items as (

    select * from {{ ref('feat_user_items') }}

),

int_user_days as (

    select * from {{ ref('int_user_days') }}

),

user_totals as (

    select
        feat_user_items.cutoff_date,
        feat_user_items.user_id,
        cast(sum(feat_user_items.event_count) as bigint) as event_count,
        cast(sum(feat_user_items.purchase_count) as bigint) as purchase_count,
        cast(sum(feat_user_items.return_count) as bigint) as return_count,
        count(*) as item_count,
        {{ safe_divide(
            'count(*) filter (where feat_user_items.purchase_days >= 2)',
            'count(*) filter (where feat_user_items.purchase_days >= 1)'
        ) }} as repeat_share,
        {{ exact_sum('feat_user_items.revenue') }} as revenue,
        min(feat_user_items.first_event_at) as first_event_at,
        max(feat_user_items.last_event_at) as last_event_at
    from feat_user_items
    inner join int_cutoffs
        on feat_user_items.cutoff_date = int_cutoffs.cutoff_date
    group by feat_user_items.cutoff_date, feat_user_items.user_id

),

user_activity as (

    select
        int_cutoffs.cutoff_date,
        int_user_days.user_id,
        count(*) as active_days
    from int_cutoffs
    inner join int_user_days
        on
            int_cutoffs.cutoff_date > int_user_days.event_date
            and int_cutoffs.cutoff_date > int_user_days.landed_date
    group by int_cutoffs.cutoff_date, int_user_days.user_id

),

users as (

    select
        user_totals.cutoff_date,
        user_totals.user_id,
        user_totals.event_count,
        user_totals.purchase_count,
        user_totals.return_count,
        user_totals.item_count,
        user_activity.active_days,
        coalesce(user_totals.repeat_share, 0) as repeat_share,
        user_totals.revenue,
        user_totals.first_event_at,
        user_totals.last_event_at,
        {{ days_between(
            'user_totals.last_event_at', 'user_totals.cutoff_date'
        ) }} as days_since_last_event,
        {{ days_between(
            'user_totals.first_event_at', 'user_totals.cutoff_date'
        ) }} as days_since_first_event,
        case
            when user_activity.active_days = 1 then 'new'
            when user_activity.active_days >= {{ var('heavy_user_days') }}
                then 'heavy'
            else 'light'
        end as segment
    from user_totals
    inner join user_activity
        on
            user_totals.cutoff_date = user_activity.cutoff_date
            and user_totals.user_id = user_activity.user_id

)

select * from users
