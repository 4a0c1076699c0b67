{# A sentence with the rule and how many break it, empty if none does. #}
{% macro broken_rule(count, must_hold, breaking) -%}
    {%- set rule = must_hold.split() | join(' ') -%}
    case
        when {{ count }} > 0
            then
                {{ literal(rule ~ ', and ') }} || {{ count }}
                || {{ literal(' ' ~ breaking ~ '. ') }}
        else ''
    end
{%- endmacro %}
