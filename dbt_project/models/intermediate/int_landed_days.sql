with

source as (

    select
        landed_date,
        {{ row_hash([
            'event_id', 'user_id', 'item_id', 'event_type', 'event_at',
            'value', 'price'
        ]) }} as event_hash
    from {{ source('raw', 'events') }}

),

landed_days as (

    select
        landed_date,
        count(*) as event_count,
        bit_xor(event_hash) as content_hash
    from source
    group by landed_date

)

select * from landed_days
