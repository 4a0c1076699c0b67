with

cutoffs as (

    {{ select_dates(var('cutoffs'), 'cutoff_date') }}

)

select * from cutoffs
