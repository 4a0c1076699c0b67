with

source as (

    select
        event_id,
        landed_date,
        {{ row_hash(['event_id']) }} as event_hash
    from {{ source('raw', 'events') }}

),

{# Only ids that collide by hash are compared: the others are not repeated. #}
repeated_hashes as (

    select event_hash
    from source
    group by event_hash
    having count(*) > 1

),

landings as (

    select
        event_id,
        landed_date,
        min(landed_date) over (partition by event_id) as first_landed_date
    from source
    where
        event_hash in (
            select repeated_hashes.event_hash from repeated_hashes
        )

),

repeated_events as (

    select
        event_id,
        landed_date
    from landings
    where landed_date > first_landed_date

)

select * from repeated_events
