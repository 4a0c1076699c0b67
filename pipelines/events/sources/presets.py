"""Presets: options of a table for exports that many shops have, declared in `presets.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipelines.base.errors import LandingError
from pipelines.base.source_settings import TableSettings

PRESETS_PATH = Path(__file__).with_name("presets.toml")

#: Feed columns that an export may lack.
_OPTIONAL = ("value", "price", "session_id", "category")


def read_presets() -> dict[str, dict[str, Any]]:
    """Options of each preset by its name, with `about`, a line for people."""
    presets: dict[str, dict[str, Any]] = tomllib.loads(PRESETS_PATH.read_text())
    return presets


def table_settings(preset: str | None, given: Mapping[str, Any]) -> TableSettings:
    """Options of a table: those of a preset, overruled by those that are given.

    Parameters
    ----------
    preset : str, optional
        A name of `read_presets`.
    given : mapping
        Options of `TableSettings`; `mapping` and `value_map` are completed, others replaced.

    Raises
    ------
    LandingError
        If an option is unknown or not of its type.
    """
    options = dict(read_presets()[preset]) if preset else {}
    options.pop("about", None)
    if preset:
        options["optional"] = tuple({*_OPTIONAL} - {*given.get("mapping", {})})
    for name, value in given.items():
        is_completed = name in ("mapping", "value_map") and name in options
        options[name] = {**options[name], **value} if is_completed else value
    try:
        return TableSettings(**options)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise LandingError(
            f"Options of a table must be known and of their type. `{where}`: {first['msg']}. Got "
            f"{first['input']!r}. `recsys land --help` lists them."
        ) from error
