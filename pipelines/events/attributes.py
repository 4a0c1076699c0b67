"""Pack the declared further columns of a feed into one JSON text, `attributes`, in SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pipelines.base.attributes import Kind
from pipelines.base.ids import BAD_BYTE, NESTED
from pipelines.events.feeds import PACKED
from pipelines.events.staging import Source

#: SQL that reads a text as an attribute of a kind, null if it cannot.
_FROM_TEXT: dict[Kind, str] = {
    "text": f"case when not regexp_matches({{0}}, '[{BAD_BYTE}{NESTED}]') then as_title({{0}}) end",
    "number": "case when isfinite(as_number(as_id({0}))) then as_number(as_id({0})) end",
    "flag": "as_flag(as_id({0}))",
}


def with_attributes(source: Source, texts: Mapping[str, str], kinds: Mapping[str, Kind]) -> Source:
    """Add the column `attributes` to a source.

    Parameters
    ----------
    source : Source
        Of a feed that has the column.
    texts : mapping of str to str
        SQL expression of the text of each column of the file; may have `attributes` itself, a
        JSON object, which gives what the file has no column for.
    kinds : mapping of str to Kind
        Declared attributes. What is not declared is left out.

    Returns
    -------
    Source
        Whose `attributes` is a JSON object with its keys sorted and no nulls; null if there is
        nothing, and unreadable if one value is not of its kind.
    """
    found = {
        name: f"nullif({text}, '')" for name in sorted(kinds) if (text := _text_of(name, texts))
    }
    if not found:
        return source
    values = {name: _FROM_TEXT[kinds[name]].format(text) for name, text in found.items()}
    lost = " or ".join(
        f"({text} is not null and as_id({text}) is not null and ({values[name]}) is null)"
        for name, text in found.items()
    )
    return replace(
        source,
        values={**source.values, PACKED: f"case when not ({lost}) then {_packed(values)} end"},
        texts={**source.texts, PACKED: f"case when {lost} then {_packed(found)} end"},
    )


def _text_of(name: str, texts: Mapping[str, str]) -> str | None:
    if name in texts:
        return texts[name]
    if PACKED in texts:
        packed = texts[PACKED]
        return f"case when json_valid({packed}) then json_extract_string({packed}, '$.{name}') end"
    return None


def _packed(values: Mapping[str, str]) -> str:
    """SQL: a JSON object of the values that are not null; null if there is none."""
    pairs = ", ".join(f"{name}: {value}" for name, value in values.items())
    return f"nullif(json_merge_patch('{{}}', to_json({{{pairs}}}))::varchar, '{{}}')"
