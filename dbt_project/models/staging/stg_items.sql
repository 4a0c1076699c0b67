with

source as (

    select * from {{ source('raw', 'items') }}

),

renamed as (

    select
        ---------- ids
        item_id,

        ---------- attributes
        title,
        category,
        price,
        coalesce(is_available, true) as is_available,
        attributes,

        ---------- times
        coalesce(valid_from, cast(landed_date as timestamp)) as valid_from,
        landed_date

    from source

)

select * from renamed
