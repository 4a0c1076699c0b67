{# What differs between engines, and what has to be the same every time. #}

{# Null instead of an error or infinity where the denominator is zero. #}
{% macro safe_divide(numerator, denominator) -%}
    (({{ numerator }}) / nullif(cast({{ denominator }} as double), 0))
{%- endmacro %}

{#
    Sum of decimals: the same to the last bit in whatever order the rows come,
    which a sum of doubles is not. Null counts 0. Amounts are capped at 1e12,
    so that a single absurd price cannot overflow it.
#}
{% macro exact_sum(expression, scale=6) -%}
    cast(
        coalesce(
            sum(
                cast(
                    least(greatest(coalesce({{ expression }}, 0), -1e12), 1e12)
                    as decimal(38, {{ scale }})
                )
            ),
            0
        ) as double
    )
{%- endmacro %}

{# Whole days from one date or timestamp to a later one. #}
{% macro days_between(earlier, later) -%}
    {{ adapter.dispatch('days_between')(earlier, later) }}
{%- endmacro %}

{% macro duckdb__days_between(earlier, later) -%}
    date_diff('day', cast({{ earlier }} as date), cast({{ later }} as date))
{%- endmacro %}

{% macro spark__days_between(earlier, later) -%}
    cast(datediff(
        cast({{ later }} as date), cast({{ earlier }} as date)
    ) as bigint)
{%- endmacro %}

{#
    A number for each row's values, from 0 up, to compare many rows cheaply.
    Which number it is differs between engines, and means nothing.
#}
{% macro row_hash(columns) -%}
    {{ adapter.dispatch('row_hash')(columns) }}
{%- endmacro %}

{% macro duckdb__row_hash(columns) -%}
    cast(hash({{ columns | join(', ') }}) >> 1 as bigint)
{%- endmacro %}

{# Spark leaves null out of a hash, so that it is told apart beside it. #}
{% macro spark__row_hash(columns) -%}
    {%- set told = [] -%}
    {%- for column in columns -%}
        {%- do told.append(column ~ ', ' ~ column ~ ' is null') -%}
    {%- endfor -%}
    shiftrightunsigned(xxhash64({{ told | join(', ') }}), 1)
{%- endmacro %}

{# A number of days, to be added to a timestamp. #}
{% macro days(count) -%}
    interval '{{ count }}' day
{%- endmacro %}

{# The first value of a column, by time, that is not null. #}
{% macro first_known(column) -%}
    min_by({{ column }}, (event_at, event_id)) filter (
        where {{ column }} is not null
    )
{%- endmacro %}

{# A text as SQL; Spark escapes by backslashes. #}
{% macro literal(text) -%}
    {%- if target.type == 'spark' -%}
        '{{ text | replace("\\", "\\\\") | replace("'", "\\'") }}'
    {%- else -%}
        '{{ text | replace("'", "''") }}'
    {%- endif -%}
{%- endmacro %}

{# Null, or the end of the statement with a message. #}
{% macro fail_with(message) -%}
    {{ adapter.dispatch('fail_with')(message) }}
{%- endmacro %}

{% macro duckdb__fail_with(message) -%}
    error({{ message }})
{%- endmacro %}

{% macro spark__fail_with(message) -%}
    raise_error({{ message }})
{%- endmacro %}

{# Whether a row is something a user did, not something a user was shown. #}
{% macro is_user_action(column='event_type') -%}
    {%- set kinds = [] -%}
    {%- for kind in var('exposures') -%}
        {%- do kinds.append(literal(kind)) -%}
    {%- endfor -%}
    {%- if kinds -%}
        {{ column }} not in ({{ kinds | join(', ') }})
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}

{# Events of one type among rows that carry an event_count. #}
{% macro count_events(event_type, condition='true') -%}
    cast(
        coalesce(
            sum(event_count) filter (
                where event_type = '{{ event_type }}' and {{ condition }}
            ),
            0
        ) as bigint
    )
{%- endmacro %}

{# 1 now, one half after half_life_days. #}
{% macro half_life_decay(age_days) -%}
    pow(2, -{{ age_days }} / cast({{ var('half_life_days') }} as double))
{%- endmacro %}
