with

source as (

    select * from {{ source('raw', 'users') }}

),

renamed as (

    select
        ---------- ids
        user_id,

        ---------- attributes
        country,
        language,
        age,
        consent,
        attributes,

        ---------- times
        coalesce(valid_from, cast(landed_date as timestamp)) as valid_from,
        landed_date

    from source

)

select * from renamed
