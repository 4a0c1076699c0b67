with

int_shown_items as (

    select * from {{ ref('int_shown_items') }}

),

int_user_purchases as (

    select * from {{ ref('int_user_purchases') }}

),

int_item_versions as (

    select * from {{ ref('int_item_versions') }}

),

int_answer_diversity as (

    select * from {{ ref('int_answer_diversity') }}

),

shown as (

    select
        publication_id,
        placement,
        experiment_id,
        variant,
        min(served_at) as first_served_at,
        max(served_at) as last_served_at,
        count(distinct request_id) as answer_count,
        count(distinct user_id) as user_count,
        count(impression_at) as impression_count,
        count(click_at) as click_count,
        count(distinct item_id) as shown_item_count,
        count(distinct request_id) filter (
            where source != 'personal'
        ) as fallback_answer_count
    from int_shown_items
    group by publication_id, placement, experiment_id, variant

),

first_served as (

    select
        publication_id,
        placement,
        experiment_id,
        variant,
        user_id,
        min(served_at) as served_at
    from int_shown_items
    group by publication_id, placement, experiment_id, variant, user_id

),

{# What users bought, anything at all, in the days after their first answer. #}
converted as (

    select
        first_served.publication_id,
        first_served.placement,
        first_served.experiment_id,
        first_served.variant,
        count(distinct first_served.user_id) as converted_user_count,
        {{ exact_sum('int_user_purchases.revenue') }} as revenue
    from first_served
    inner join int_user_purchases
        on
            first_served.user_id = int_user_purchases.user_id
            and first_served.served_at <= int_user_purchases.purchased_at
            and first_served.served_at + {{ days(var('attribution_days')) }}
            > int_user_purchases.purchased_at
    group by
        first_served.publication_id,
        first_served.placement,
        first_served.experiment_id,
        first_served.variant

),

diversity as (

    select
        publication_id,
        placement,
        experiment_id,
        variant,
        {{ exact_sum('diversity', 12) }} / count(*) as diversity
    from int_answer_diversity
    group by publication_id, placement, experiment_id, variant

),

catalogue as (

    select count(distinct item_id) as catalogue_item_count
    from int_item_versions

),

publications as (

    select
        shown.publication_id,
        shown.placement,
        shown.experiment_id,
        shown.variant,
        shown.first_served_at,
        shown.last_served_at,
        shown.answer_count,
        shown.user_count,
        shown.impression_count,
        shown.click_count,
        {{ safe_divide(
            'shown.click_count', 'shown.impression_count'
        ) }} as ctr,
        coalesce(converted.converted_user_count, 0) as converted_user_count,
        {{ safe_divide(
            'coalesce(converted.converted_user_count, 0)', 'shown.user_count'
        ) }} as conversion,
        coalesce(converted.revenue, 0) as revenue,
        shown.shown_item_count,
        catalogue.catalogue_item_count,
        {{ safe_divide(
            'shown.shown_item_count', 'catalogue.catalogue_item_count'
        ) }} as coverage,
        diversity.diversity,
        {{ safe_divide(
            'shown.fallback_answer_count', 'shown.answer_count'
        ) }} as fallback_share
    from shown
    cross join catalogue
    left join converted
        on
            shown.publication_id = converted.publication_id
            and shown.placement = converted.placement
            and shown.experiment_id = converted.experiment_id
            and shown.variant = converted.variant
    left join diversity
        on
            shown.publication_id = diversity.publication_id
            and shown.placement = diversity.placement
            and shown.experiment_id = diversity.experiment_id
            and shown.variant = diversity.variant

)

select * from publications
