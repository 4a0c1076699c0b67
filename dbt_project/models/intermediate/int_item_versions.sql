with

stg_items as (

    select * from {{ ref('stg_items') }}

),

{# The first cutoff that may know a version: it began and landed before. #}
first_known as (

    select
        *,
        greatest(cast(valid_from as date), landed_date) + 1 as known_from_date
    from stg_items

),

{# A version is replaced when any later one of the item becomes known. #}
versions as (

    select
        item_id,
        valid_from,
        landed_date,
        known_from_date,
        min(known_from_date) over (
            partition by item_id
            order by valid_from, landed_date
            rows between 1 following and unbounded following
        ) as known_to_date,
        lead(valid_from) over (
            partition by item_id
            order by valid_from, landed_date
        ) as valid_to,
        title,
        category,
        price,
        is_available,
        attributes
    from first_known

)

select * from versions
