"""Entries of `--candidates`: candidates of the settings, recommenders and own classes."""

from __future__ import annotations

import importlib
import itertools
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.config import Settings
from pipelines.base.errors import SettingsError
from pipelines.benchmark.files import EVENT_TYPE

if TYPE_CHECKING:
    from pipelines.models.base import Recommender

#: A comma between candidates or parameters, not one inside brackets.
COMMA = re.compile(r",(?![^\[{]*[\]}])")


@dataclass(frozen=True)
class Entry:
    """One recommender to be measured: a row of the benchmark's table.

    Parameters
    ----------
    name : str
        As it was written.
    recommender : str
        Key of `RECOMMENDERS`, or `module:Class`.
    params : mapping of str to object
        Keyword arguments of its constructor.
    """

    name: str
    recommender: str
    params: Mapping[str, Any]


def read_entries(settings: Settings, texts: Iterable[str]) -> list[Entry]:
    """Read the entries that texts name; without texts, all candidates of the settings.

    Parameters
    ----------
    texts : iterable of str
        Each holds entries separated by commas: ``name``, ``name:param=value,param=value`` or
        ``module:Class``, which may have parameters too. ``param=a|b`` is one entry for each value.

    Raises
    ------
    SettingsError, UnknownRecommenderError
        If an entry names no recommender that can be made. All are made before any is fitted.

    Notes
    -----
    A bare name is a candidate of the settings if there is one, else a recommender with its
    defaults. A name with parameters is a recommender with these parameters and defaults for the
    rest; if there is none of that name, it is a candidate with these parameters changed.
    """
    asked = [word for text in texts for word in _split_entries(text)]
    asked = asked or [candidate.name for candidate in settings.candidates]
    entries = [entry for text in asked for entry in _read_entry(settings, text)]
    for entry in entries:
        make_entry(entry)
    return entries


def make_entry(entry: Entry) -> Recommender:
    """Make the recommender of an entry, not fitted.

    Raises
    ------
    SettingsError
        If a parameter is unknown or the class cannot be imported or used.
    UnknownRecommenderError
        If no recommender has this key.
    """
    if ":" in entry.recommender:
        return _make_own(entry)
    from pipelines.models.candidates import Spec, make_recommender

    return make_recommender(Spec(entry.name, entry.recommender, entry.params, {EVENT_TYPE: 1.0}))


def _split_entries(text: str) -> list[str]:
    """Split one text into entries; a parameter belongs to the entry before it."""
    entries: list[str] = []
    for piece in COMMA.split(text):
        word = piece.strip()
        if entries and "=" in word and ":" not in word.split("=")[0]:
            entries[-1] += f",{word}"
        elif word:
            entries.append(word)
    return entries


def _read_entry(settings: Settings, text: str) -> Iterator[Entry]:
    """Read one entry; with several values of a parameter, one for each combination."""
    head, _, tail = text.partition("=")
    name, colon, first = head.rpartition(":")
    if not tail:
        yield _resolve(settings, text, {})
        return
    if not colon:
        raise SettingsError(
            f"Parameters must follow a name and a colon. Got {text!r}. "
            "Write them as in ease:regularization=80."
        )
    pairs = [pair.partition("=") for pair in COMMA.split(f"{first}={tail}")]
    choices = [[(key, value) for value in values.split("|")] for key, _, values in pairs]
    for chosen in itertools.product(*choices):
        yield _resolve(settings, name, {key: _read_value(value) for key, value in chosen})


def _resolve(settings: Settings, name: str, params: Mapping[str, Any]) -> Entry:
    from pipelines.models.candidates import RECOMMENDERS

    shown = ",".join(f"{key}={_show_value(value)}" for key, value in params.items())
    title = f"{name}:{shown}" if params else name
    named = {candidate.name: candidate for candidate in settings.candidates}
    if name in named and not (params and name in RECOMMENDERS):
        return Entry(title, named[name].recommender, {**named[name].params, **params})
    return Entry(title, name, params)


def _read_value(text: str) -> Any:
    """Read a parameter's value as JSON; anything that is not JSON is a string."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _show_value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _make_own(entry: Entry) -> Recommender:
    """Make a recommender of the user's own class, importable or in the current folder."""
    module_name, _, class_name = entry.recommender.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        own = getattr(importlib.import_module(module_name), class_name)
        made: Recommender = own(**entry.params)
    except (ImportError, AttributeError, TypeError) as error:
        raise SettingsError(
            "A recommender of one's own must be importable as module:Class and take its "
            f"parameters as keywords. Got {entry.name!r}: {error}. Start where the module lies, "
            "and check its constructor."
        ) from error
    lacking = [verb for verb in ("fit", "recommend") if not callable(getattr(made, verb, None))]
    if lacking:
        raise SettingsError(
            f"A recommender of one's own must have `fit` and `recommend`. {entry.name!r} lacks "
            f"{' and '.join(lacking)}. Derive it from pipelines.models.base.Recommender."
        )
    return made
