{{
    config(
        materialized='incremental',
        partition_by='table_name',
        on_schema_change='append_new_columns'
    )
}}

with

{# The tables that are told of here write it, each when it is built. #}
built_dates as (

    select
        cast(null as string) as table_name,
        cast(null as date) as built_date,
        cast(null as bigint) as content_hash,
        cast(null as boolean) as is_tested
    where false

)

select * from built_dates
