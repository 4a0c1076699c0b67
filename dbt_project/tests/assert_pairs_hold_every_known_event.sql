{#
    Fails when: the events counted in feat_user_items at a cutoff, or in
    feat_users and feat_items, are not the user actions that happened and
    landed before it.
    Why: a join that drops or doubles rows shifts every count a little and
    passes every range test.
    Precedent: an event that landed in two day files and was counted twice.
    Not this: which user or item they belong to; the unit tests hold that.
#}
with

int_cutoffs as (

    select * from {{ ref('int_cutoffs') }}

),

stg_events as (

    select * from {{ ref('stg_events') }}

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

known_events as (

    select
        int_cutoffs.cutoff_date,
        count(stg_events.event_id) as event_count
    from int_cutoffs
    left join stg_events
        on
            int_cutoffs.cutoff_date > stg_events.event_at
            and int_cutoffs.cutoff_date > stg_events.landed_date
            and {{ is_user_action('stg_events.event_type') }}
    group by int_cutoffs.cutoff_date

),

counted as (

    select
        'feat_user_items' as feature_table,
        cutoff_date,
        sum(event_count) as event_count
    from feat_user_items
    group by cutoff_date
    union all
    select
        'feat_users' as feature_table,
        cutoff_date,
        sum(event_count) as event_count
    from feat_users
    group by cutoff_date
    union all
    select
        'feat_items' as feature_table,
        cutoff_date,
        sum(event_count) as event_count
    from feat_items
    group by cutoff_date

),

feature_tables as (

    select 'feat_user_items' as feature_table
    union all
    select 'feat_users' as feature_table
    union all
    select 'feat_items' as feature_table

),

failures as (

    select
        known_events.cutoff_date,
        feature_tables.feature_table,
        known_events.event_count as known_count,
        coalesce(counted.event_count, 0) as counted_count
    from known_events
    cross join feature_tables
    left join counted
        on
            known_events.cutoff_date = counted.cutoff_date
            and feature_tables.feature_table = counted.feature_table
    where known_events.event_count != coalesce(counted.event_count, 0)

)

select * from failures
