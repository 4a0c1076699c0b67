{# Empty, or what must hold with the number of rows in place of %s. #}
{% macro broken_rule(count, rule) -%}
    {%- set before, after = (
        (rule | replace("'", '"')).split() | join(' ')
    ).split('%s') -%}
    case
        when {{ count }} > 0
            then '{{ before }}' || {{ count }} || '{{ after }}. '
        else ''
    end
{%- endmacro %}
