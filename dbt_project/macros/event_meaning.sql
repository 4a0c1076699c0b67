{#
    The type that an event counts as, by its value. Below events.min_value it
    is low_<type>. A purchase of less than nothing is a return: the load says so
    already, but for days that an earlier version loaded. For single events,
    pipelines/base/event_meaning.py says the same, and a test compares them.
#}
{% macro counted_type(event_type, event_value) -%}
    case
        when {{ event_type }} = 'purchase' and {{ event_value }} < 0
            then 'return'
        {% for kind, least in var('min_value').items() -%}
            when
                {{ event_type }} = {{ literal(kind) }}
                and {{ event_value }} < cast({{ least }} as double)
                then {{ literal('low_' ~ kind) }}
        {% endfor -%}
        else {{ event_type }}
    end
{%- endmacro %}
