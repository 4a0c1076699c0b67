with

source as (

    select * from {{ source('raw', 'events') }}

),

{#
    An event that landed on several days counts once, from the first. Only
    ids that collide by hash are sorted: the others cannot be repeated.
#}
repeated_hashes as (

    select {{ row_hash(['event_id']) }} as event_hash
    from source
    group by event_hash
    having count(*) > 1

),

repeated_firsts as (

    select
        event_id,
        min(landed_date) as landed_date
    from source
    where
        {{ row_hash(['event_id']) }} in (
            select repeated_hashes.event_hash from repeated_hashes
        )
    group by event_id

),

first_landings as (

    select source.*
    from source
    left join repeated_firsts
        on source.event_id = repeated_firsts.event_id
    where
        repeated_firsts.event_id is null
        or source.landed_date = repeated_firsts.landed_date

),

renamed as (

    select
        ---------- ids
        event_id,
        user_id,
        item_id,

        ---------- what happened
        event_type,
        value as event_value,
        price as unit_price,

        ---------- what was shown, and why
        request_id,
        position,
        placement,
        experiment_id,
        variant,
        bucket,
        config_hash,
        publication_id,
        source,
        lists_differ,
        propensity,
        team,

        ---------- times
        event_at,
        cast(event_at as date) as event_date,
        landed_date

    from first_landings

)

select * from renamed
