with

source as (

    select * from {{ source('raw', 'events') }}

),

int_repeated_events as (

    select * from {{ ref('int_repeated_events') }}

),

{# An event that landed on several days counts once, from the first. #}
first_landings as (

    select source.*
    from source
    left join int_repeated_events
        on
            source.event_id = int_repeated_events.event_id
            and source.landed_date = int_repeated_events.landed_date
    where int_repeated_events.event_id is null

),

renamed as (

    select
        ---------- ids
        event_id,
        user_id,
        item_id,

        ---------- what happened
        {{ counted_type('event_type', 'value') }} as event_type,
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
