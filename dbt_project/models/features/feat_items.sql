-- depends_on: {{ ref('int_built_dates') }}
with

int_cutoffs as (

    select * from {{ ref('int_cutoffs') }}

),

feat_user_items as (

    select * from {{ ref('feat_user_items') }}

),

int_user_item_days as (

    select * from {{ ref('int_user_item_days') }}

),

int_item_versions as (

    select * from {{ ref('int_item_versions') }}

),

item_totals as (

    select
        feat_user_items.cutoff_date,
        feat_user_items.item_id,
        cast(sum(feat_user_items.event_count) as bigint) as event_count,
        count(*) as user_count,
        cast(sum(feat_user_items.purchase_count) as bigint) as purchase_count,
        min(feat_user_items.first_event_at) as first_event_at,
        max(feat_user_items.last_event_at) as last_event_at
    from feat_user_items
    inner join int_cutoffs
        on feat_user_items.cutoff_date = int_cutoffs.cutoff_date
    group by feat_user_items.cutoff_date, feat_user_items.item_id

),

recent_totals as (

    select
        int_cutoffs.cutoff_date,
        int_user_item_days.item_id,
        {{ count_events(
            'purchase', 'event_date >= cutoff_date - 14'
        ) }} as purchase_count_14d,
        {{ count_events('purchase') }} as purchase_count_60d
    from int_cutoffs
    inner join int_user_item_days
        on
            int_cutoffs.cutoff_date > int_user_item_days.event_date
            and int_cutoffs.cutoff_date > int_user_item_days.landed_date
            and int_cutoffs.cutoff_date - 60 <= int_user_item_days.event_date
    where int_user_item_days.event_type = 'purchase'
    group by int_cutoffs.cutoff_date, int_user_item_days.item_id

),

first_versions as (

    select
        int_cutoffs.cutoff_date,
        int_item_versions.item_id,
        min(int_item_versions.valid_from) as first_valid_from
    from int_cutoffs
    inner join int_item_versions
        on int_cutoffs.cutoff_date >= int_item_versions.known_from_date
    group by int_cutoffs.cutoff_date, int_item_versions.item_id

),

known_versions as (

    select
        int_cutoffs.cutoff_date,
        int_item_versions.item_id,
        int_item_versions.title,
        int_item_versions.category,
        int_item_versions.price,
        int_item_versions.is_available,
        int_item_versions.attributes
    from int_cutoffs
    inner join int_item_versions
        on
            int_cutoffs.cutoff_date >= int_item_versions.known_from_date
            and (
                int_item_versions.known_to_date is null
                or int_cutoffs.cutoff_date < int_item_versions.known_to_date
            )

),

known_items as (

    select
        cutoff_date,
        item_id
    from item_totals
    union
    select
        cutoff_date,
        item_id
    from known_versions

),

joined as (

    select
        known_items.cutoff_date,
        known_items.item_id,
        known_versions.title,
        known_versions.category,
        known_versions.price,
        coalesce(known_versions.is_available, true) as is_available,
        known_versions.item_id is not null as is_in_feed,
        known_versions.attributes,
        least(
            first_versions.first_valid_from, item_totals.first_event_at
        ) as first_known_at,
        coalesce(item_totals.event_count, 0) as event_count,
        coalesce(item_totals.user_count, 0) as user_count,
        coalesce(item_totals.purchase_count, 0) as purchase_count,
        coalesce(recent_totals.purchase_count_14d, 0) as purchase_count_14d,
        coalesce(recent_totals.purchase_count_60d, 0) as purchase_count_60d,
        item_totals.last_event_at
    from known_items
    left join item_totals
        on
            known_items.cutoff_date = item_totals.cutoff_date
            and known_items.item_id = item_totals.item_id
    left join recent_totals
        on
            known_items.cutoff_date = recent_totals.cutoff_date
            and known_items.item_id = recent_totals.item_id
    left join first_versions
        on
            known_items.cutoff_date = first_versions.cutoff_date
            and known_items.item_id = first_versions.item_id
    left join known_versions
        on
            known_items.cutoff_date = known_versions.cutoff_date
            and known_items.item_id = known_versions.item_id

),

items as (

    select
        cutoff_date,
        item_id,
        title,
        category,
        price,
        is_available,
        is_in_feed,
        first_known_at,
        event_count,
        user_count,
        purchase_count,
        purchase_count_14d,
        purchase_count_60d,
        {{ safe_divide(
            'purchase_count_14d * 60', 'purchase_count_60d * 14'
        ) }} as purchase_trend,
        last_event_at,
        {{ days_between('first_known_at', 'cutoff_date') }} as age_days,
        attributes
    from joined

)

select * from items
