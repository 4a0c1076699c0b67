{{ config(materialized='view') }}

with

cutoffs as (

    select unnest([{{ date_list(var('cutoffs')) }}]) as cutoff_date

)

select * from cutoffs
