-- depends_on: {{ ref('int_built_dates') }}
-- depends_on: {{ ref('int_user_item_days') }}
with

int_cutoffs as (

    select * from {{ ref('int_cutoffs') }}

),

stg_users as (

    select * from {{ ref('stg_users') }}

),

{# What began and landed before a cutoff, the newest first. #}
known_versions as (

    select
        int_cutoffs.cutoff_date,
        stg_users.user_id,
        stg_users.country,
        stg_users.language,
        stg_users.age,
        stg_users.consent,
        stg_users.attributes,
        stg_users.valid_from,
        row_number() over (
            partition by int_cutoffs.cutoff_date, stg_users.user_id
            order by stg_users.valid_from desc, stg_users.landed_date desc
        ) as age_rank
    from int_cutoffs
    inner join stg_users
        on
            int_cutoffs.cutoff_date > stg_users.valid_from
            and int_cutoffs.cutoff_date > stg_users.landed_date

),

users as (

    select
        cutoff_date,
        user_id,
        country,
        language,
        age,
        consent,
        attributes,
        valid_from
    from known_versions
    where age_rank = 1

)

select * from users
