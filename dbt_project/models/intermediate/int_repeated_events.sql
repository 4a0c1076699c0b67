{{
    config(
        materialized='incremental',
        partition_by='landed_date',
        on_schema_change='fail',
        pre_hook=[
            "{{ forget_landings(this, loaded_landings()) }}",
            "{{ drop_forgotten_landings(this) }}",
        ],
        post_hook="{{ remember(this, loaded_landings()) }}"
    )
}}
-- depends_on: {{ ref('int_built_dates') }}
-- depends_on: {{ ref('int_landed_days') }}
with

{# Ids are compared by hash, and in full only where hashes are the same. #}
source as (

    select
        event_id,
        landed_date,
        {{ row_hash(['event_id']) }} as event_hash
    from {{ source('raw', 'events') }}

),

{# What landed before is as it was: only new landings may repeat it. #}
asked as (

    select *
    from source
    {% if is_incremental() -%}
        where
            event_hash in (
                select new_landings.event_hash
                from source as new_landings
                where new_landings.landed_date > {{ newest_landing(this) }}
            )
    {%- endif %}

),

repeated_hashes as (

    select event_hash
    from asked
    group by event_hash
    having count(*) > 1

),

landings as (

    select
        event_id,
        landed_date,
        min(landed_date) over (partition by event_id) as first_landed_date
    from asked
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
    where
        landed_date > first_landed_date
        {% if is_incremental() -%}
            and landed_date > {{ newest_landing(this) }}
        {%- endif %}

)

select * from repeated_events
