{{
    config(
        materialized='incremental',
        partition_by='landed_date',
        on_schema_change='fail',
        pre_hook=[
            "{{ forget_landings(this, built_landings()) }}",
            "{{ drop_forgotten_landings(this) }}",
        ],
        post_hook="{{ remember(this, built_landings()) }}"
    )
}}
-- depends_on: {{ ref('int_built_dates') }}
with

int_user_item_days as (

    select * from {{ ref('int_user_item_days') }}
    where
        {{ is_user_action() }}
        {% if is_incremental() -%}
            and landed_date > {{ newest_landing(this) }}
        {%- endif %}

),

new_days as (

    select
        user_id,
        event_date,
        min(landed_date) as landed_date
    from int_user_item_days
    group by user_id, event_date

),

{# A day that is known already is known from an earlier landing. #}
user_days as (

    select new_days.*
    from new_days
    {% if is_incremental() -%}
        left join {{ this }} as known_days
            on
                new_days.user_id = known_days.user_id
                and new_days.event_date = known_days.event_date
        where known_days.user_id is null
    {%- endif %}

)

select * from user_days
