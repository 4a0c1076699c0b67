"""A settings file as text: TOML with the reason of each value above it."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.start.shop_profile import ShopProfile
from pipelines.start.shop_settings import ShopSettings

WIDTH = 100


def settings_text(
    profile: ShopProfile,
    chosen: ShopSettings,
    files: Sequence[str],
    sources: Sequence[Mapping[str, Any]],
) -> str:
    """The file `recsys.toml` of a shop.

    Parameters
    ----------
    profile : ShopProfile
    chosen : ShopSettings
    files : sequence of str
        Names of the files that the profile was made of.
    sources : sequence of mapping
        What `[[sources]]` says of each.
    """
    counts = ", ".join(f"{count:,} {name}" for name, count in profile.event_counts.items())
    lines = _comment(
        f"Settings of this shop, written by `recsys init {' '.join(files)}` from "
        f"{counts} of {profile.user_count:,} users and {profile.item_count:,} items, "
        f"{profile.first_day} to {profile.last_day}. Sections and keys that are not here have the "
        "defaults that `recsys doctor` names; the recsys.toml of the project explains all of them."
    )
    lines += ["", "# Where runs write; --home and RECSYS_HOME override it.", 'home = "var"']
    lines += [
        "",
        *_comment(
            "What every night lands first, and `recsys land` by itself. A file is read again when "
            "it has changed; with {day} in its path there is one for each day."
        ),
    ]
    for entry in sources:
        lines += ["", "[[sources]]", *(line for key in entry for line in _key(key, entry[key]))]
    section = ""
    for choice in chosen.choices:
        if choice.section != section:
            section = choice.section
            lines += ["", f"[{section}]"]
        lines += _comment(choice.reason)
        lines += _key(choice.key, choice.value)
    lines += [
        "",
        *_comment(
            "A candidate is a specification: a recommender, its hyperparameters and its event "
            "weights. Half-lives and windows are those of the bundled shop in proportion to the "
            "horizon; `recsys tune` searches better ones."
        ),
        *(
            line
            for name, why in chosen.left_out.items()
            for line in _comment(f"Not {name}: {why}.")
        ),
    ]
    for entry in chosen.candidates:
        lines += ["", "[[candidates]]"]
        lines += [f"{key} = {toml(value)}" for key, value in entry.items() if key not in _TABLES]
        for table in _TABLES:
            if values := entry.get(table):
                lines += [f"[candidates.{table}]"]
                lines += [line for key, value in values.items() for line in _key(key, value)]
    return "\n".join(lines) + "\n"


_TABLES = ("params", "search")


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ")


def _key(key: str, value: Any) -> list[str]:
    """Lines of a key; a list that is too long for one line has a line for each element."""
    line = f"{key} = {toml(value)}"
    if isinstance(value, Mapping) and len(line) > WIDTH:
        return [f"{key}.{toml_key(name)} = {toml(one)}" for name, one in value.items()]
    if len(line) <= WIDTH or not isinstance(value, list):
        return [line]
    return [f"{key} = [", *(f"    {toml(one)}," for one in value), "]"]


def toml(value: Any) -> str:
    """A value as TOML.

    Examples
    --------
    >>> toml({"low": 1.0, "log": True, "of": ["a", 2]})
    '{ low = 1.0, log = true, of = ["a", 2] }'
    """
    if isinstance(value, Mapping):
        return (
            "{ " + ", ".join(f"{toml_key(key)} = {toml(one)}" for key, one in value.items()) + " }"
        )
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def toml_key(name: str) -> str:
    """A key as TOML, quoted where it must be.

    Examples
    --------
    >>> toml_key("add_to_cart"), toml_key("*")
    ('add_to_cart', '"*"')
    """
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)
