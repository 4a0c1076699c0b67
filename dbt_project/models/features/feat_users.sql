{{ config(post_hook="{{ remember_cutoffs(this) }}") }}
{%- set built = built_cutoffs(this) -%}
{%- set missing = missing_cutoffs(built) -%}
-- depends_on: {{ ref('int_cutoffs') }}
-- depends_on: {{ ref('int_built_dates') }}
-- depends_on: {{ ref('int_user_item_days') }}
with

int_user_days as (

    select * from {{ ref('int_user_days') }}

),

{# Users without news since the newest cutoff before are taken from there. #}
{% for cutoff in missing -%}
    {%- set before = cutoff_before(cutoff, built) -%}
    {%- if before -%}
        news_{{ loop.index }} as (

            {{ news('user_id', before, cutoff) }}

        ),

    {% endif -%}
{% endfor -%}

{# Not imported above: DuckDB would hold a table that is read three times. #}
user_items as (

    {% for cutoff in missing %}
        select *
        from {{ ref('feat_user_items') }}
        where
            cutoff_date = date '{{ cutoff }}'
            {% if cutoff_before(cutoff, built) -%}
                and user_id in (
                    select news.user_id from news_{{ loop.index }} as news
                )
            {%- endif %}
        {{ 'union all' if not loop.last }}
    {% else %}
        select * from {{ ref('feat_user_items') }}
        where false
    {% endfor %}

),

user_totals as (

    select
        cutoff_date,
        user_id,
        cast(sum(event_count) as bigint) as event_count,
        cast(sum(purchase_count) as bigint) as purchase_count,
        cast(sum(return_count) as bigint) as return_count,
        count(*) as item_count,
        {{ safe_divide(
            'count(*) filter (where purchase_days >= 2)',
            'count(*) filter (where purchase_days >= 1)'
        ) }} as repeat_share,
        {{ exact_sum('revenue') }} as revenue,
        min(first_event_at) as first_event_at,
        max(last_event_at) as last_event_at
    from user_items
    group by cutoff_date, user_id

),

user_activity as (

    select
        user_totals.cutoff_date,
        user_totals.user_id,
        count(*) as active_days
    from user_totals
    inner join int_user_days
        on
            user_totals.user_id = int_user_days.user_id
            and user_totals.cutoff_date > int_user_days.event_date
            and user_totals.cutoff_date > int_user_days.landed_date
    group by user_totals.cutoff_date, user_totals.user_id

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
    {% for cutoff in missing -%}
        {%- set before = cutoff_before(cutoff, built) -%}
        {%- if before %}
            union all
            select
                date '{{ cutoff }}' as cutoff_date,
                known.user_id,
                known.event_count,
                known.purchase_count,
                known.return_count,
                known.item_count,
                known.active_days,
                known.repeat_share,
                known.revenue,
                known.first_event_at,
                known.last_event_at,
                {{ days_between('known.last_event_at', "date '" ~ cutoff ~ "'") }}
                    as days_since_last_event,
                {{ days_between(
                    'known.first_event_at', "date '" ~ cutoff ~ "'"
                ) }} as days_since_first_event,
                known.segment
            from {{ this }} as known
            left join news_{{ loop.index }} as news
                on known.user_id = news.user_id
            where
                known.cutoff_date = date '{{ before }}'
                and news.user_id is null
        {% endif -%}
    {% endfor %}

)

select * from users
