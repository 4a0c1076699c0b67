with

int_shown_items as (

    select * from {{ ref('int_shown_items') }}
    where position <= {{ var('diversity_depth') }}

),

int_user_item_days as (

    select * from {{ ref('int_user_item_days') }}
    where {{ is_user_action() }}

),

shown_ids as (

    select distinct item_id from int_shown_items

),

{# Who ever did anything with an item that was shown. #}
item_users as (

    select distinct
        int_user_item_days.item_id,
        int_user_item_days.user_id
    from int_user_item_days
    inner join shown_ids
        on int_user_item_days.item_id = shown_ids.item_id

),

item_sizes as (

    select
        item_id,
        count(*) as user_count
    from item_users
    group by item_id

),

answer_pairs as (

    select
        first_item.request_id,
        first_item.item_id,
        second_item.item_id as other_item_id
    from int_shown_items as first_item
    inner join int_shown_items as second_item
        on
            first_item.request_id = second_item.request_id
            and first_item.item_id < second_item.item_id

),

pairs as (

    select distinct
        item_id,
        other_item_id
    from answer_pairs

),

common_users as (

    select
        pairs.item_id,
        pairs.other_item_id,
        count(*) as user_count
    from pairs
    inner join item_users as first_user
        on pairs.item_id = first_user.item_id
    inner join item_users as second_user
        on
            pairs.other_item_id = second_user.item_id
            and first_user.user_id = second_user.user_id
    group by pairs.item_id, pairs.other_item_id

),

{# Cosine of two items over users: common / sqrt(one * other). #}
likeness as (

    select
        common_users.item_id,
        common_users.other_item_id,
        common_users.user_count
        / sqrt(
            cast(first_size.user_count as double) * second_size.user_count
        ) as cosine
    from common_users
    inner join item_sizes as first_size
        on common_users.item_id = first_size.item_id
    inner join item_sizes as second_size
        on common_users.other_item_id = second_size.item_id

),

{# Fixed places: a sum of doubles would depend on the order of the rows. #}
answer_likeness as (

    select
        answer_pairs.request_id,
        {{ exact_sum('likeness.cosine', 12) }} as cosine_sum,
        count(*) as pair_count
    from answer_pairs
    left join likeness
        on
            answer_pairs.item_id = likeness.item_id
            and answer_pairs.other_item_id = likeness.other_item_id
    group by answer_pairs.request_id

),

answers as (

    select distinct
        request_id,
        publication_id,
        placement,
        experiment_id,
        variant
    from int_shown_items

),

answer_diversity as (

    select
        answers.request_id,
        answers.publication_id,
        answers.placement,
        answers.experiment_id,
        answers.variant,
        1 - answer_likeness.cosine_sum / answer_likeness.pair_count
            as diversity
    from answers
    inner join answer_likeness
        on answers.request_id = answer_likeness.request_id

)

select * from answer_diversity
