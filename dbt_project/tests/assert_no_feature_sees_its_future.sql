{#
    Fails when: a feature row carries a time at or after its cutoff, or an
    item carries attributes that began or landed at or after it.
    Why: a feature that sees what a recommender is judged on makes every
    offline number a lie, and the gate would promote it.
    Precedent: attributes joined as they are today to events of last month.
    Not this: whether the counts are right; assert_pairs_hold_every_known_event
    counts them again from the events.
#}
with

int_cutoffs as (

    select * from {{ ref('int_cutoffs') }}

),

feat_user_items as (

    select * from {{ ref('feat_user_items') }}

),

feat_users as (

    select * from {{ ref('feat_users') }}

),

feat_items as (

    select * from {{ ref('feat_items') }}

),

int_item_versions as (

    select * from {{ ref('int_item_versions') }}

),

seen_times as (

    select
        'feat_user_items' as feature_table,
        cutoff_date,
        user_id || ' ' || item_id as row_key,
        last_event_at as seen_at
    from feat_user_items
    union all
    select
        'feat_users' as feature_table,
        cutoff_date,
        user_id as row_key,
        last_event_at as seen_at
    from feat_users
    union all
    select
        'feat_items' as feature_table,
        cutoff_date,
        item_id as row_key,
        greatest(first_known_at, last_event_at) as seen_at
    from feat_items

),

{# A title that no version known at the cutoff carries came from later. #}
foreign_titles as (

    select
        'feat_items' as feature_table,
        feat_items.cutoff_date,
        feat_items.item_id as row_key,
        cast(null as timestamp) as seen_at
    from feat_items
    where
        feat_items.title is not null
        and not exists (
            select 1
            from int_item_versions
            where
                int_item_versions.item_id = feat_items.item_id
                and int_item_versions.title = feat_items.title
                and int_item_versions.valid_from < feat_items.cutoff_date
                and int_item_versions.landed_date < feat_items.cutoff_date
        )

),

failures as (

    select seen_times.*
    from seen_times
    where seen_times.seen_at >= seen_times.cutoff_date
    union all
    select foreign_titles.*
    from foreign_titles

)

select failures.*
from failures
inner join int_cutoffs
    on failures.cutoff_date = int_cutoffs.cutoff_date
