"""The files of a shop, read through the door of `land`: what they are, and their rows."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from pipelines.base.config import Settings
from pipelines.base.errors import LandingError
from pipelines.base.source_settings import FileFormat
from pipelines.events.read_source import read_source
from pipelines.events.sources.samples import Sample, read_sample
from pipelines.events.sources.source_rows import SourceRows
from pipelines.start.guesses import Guess, Question, guess_table
from pipelines.start.recognised import recognise_columns, recognise_folder

if TYPE_CHECKING:
    import duckdb

#: Rows that are shown.
SHOWN_ROWS = 10
#: Options of a table that say how its files are written.
_FORMAT_OPTIONS = set(FileFormat.model_fields)
Ask = Callable[[str, Question], str]


@dataclass
class ShopFile:
    """A file or folder of a shop, and how it is landed.

    Parameters
    ----------
    path : str
    source : str
        Adapter, preset or ``table``.
    options : dict
        Of a table; and `name`, the stem of its day files.
    reasons : dict of str to str
        By column: what it is, and why.
    ignored : list of str
        Columns that are not landed.
    """

    path: str
    source: str
    options: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)

    @property
    def is_items(self) -> bool:
        """Whether its rows are items and nothing else."""
        return self.options.get("feed") == "items" or self.source.endswith(
            ("-products", "-articles")
        )

    def entry(self, config: Path) -> dict[str, Any]:
        """What `[[sources]]` of a settings file says of it."""
        named = {"name": self.options["name"], "source": self.source, "path": self._path(config)}
        return {**named, **{key: value for key, value in self.options.items() if key != "name"}}

    def _path(self, config: Path) -> str:
        """The path as it is written in a settings file: relative ones start at its folder."""
        path = self.path
        if "://" not in path and not Path(path).expanduser().is_absolute():
            path = os.path.relpath(path, config.parent)
        return path.replace("{", "{{").replace("}", "}}")


def where(settings: Settings, config: Path) -> list[str]:
    """Options that name the home and the settings file, unless they are found here anyway."""
    found = [] if config == Path("recsys.toml") else ["--config", str(config)]
    if settings.home != Path("var").resolve():
        found += ["--home", str(settings.home)]
    return found


def understand_files(
    settings: Settings, paths: Sequence[str], given: Mapping[str, Any], ask: Ask
) -> list[ShopFile]:
    """Say what each file of a shop is; events come before items.

    Parameters
    ----------
    settings : Settings
    paths : sequence of str
    given : mapping
        Options of tables; each of `mapping` counts for the files that have its column.
    ask : callable
        Gets a path and a question, and returns the answer.

    Raises
    ------
    LandingError
        If a file cannot be read, a given column is in none of them, or two files have one name.
    """
    mapped: set[str] = set()
    files = []
    for path in paths:
        whole = recognise_folder(path)
        if whole and not given.get("mapping"):
            files.append(ShopFile(path, whole[0], reasons={"(the folder)": whole[1]}))
            continue
        written = FileFormat(**{key: given[key] for key in _FORMAT_OPTIONS & set(given)})
        sample = read_sample(path, written)
        own = {
            name: column
            for name, column in given.get("mapping", {}).items()
            if column in sample.columns
        }
        mapped |= set(own)
        files.append(_understand(settings, sample, {**given, "mapping": own}, ask))
    if unknown := set(given.get("mapping", {})) - mapped:
        raise LandingError(
            f"A mapping must name a column of one of the files. Found none for "
            f"{', '.join(sorted(unknown))} in {', '.join(paths)}. Correct --map."
        )
    _name_files(files)
    return sorted(files, key=lambda file: file.is_items)


def _understand(settings: Settings, sample: Sample, given: Mapping[str, Any], ask: Ask) -> ShopFile:
    known = recognise_columns(sample)
    options = {key: value for key, value in given.items() if value}
    if known and not given["mapping"] and "feed" not in given:
        if known[0] == "online-retail":
            options = {}
        return ShopFile(sample.path, known[0], options, {"(the file)": known[1]})
    guess = guess_table(sample, options, settings.events.types)
    while guess.questions:
        guess.answer(guess.questions[0], ask(sample.path, guess.questions[0]))
    return ShopFile(sample.path, "table", _fitting(guess), guess.reasons, _ignored(guess))


def _fitting(guess: Guess) -> dict[str, Any]:
    """Options for the table's own feed; those of the other feed are for other files."""
    strange = {"events": ("known_from",), "items": ("event_type", "event_at", "value_map")}
    drop = strange[guess.options["feed"]]
    return {name: value for name, value in guess.options.items() if name not in drop}


def _ignored(guess: Guess) -> list[str]:
    taken = {*guess.mapping.values(), *guess.reasons}
    return [name for name in guess.looks if name not in taken]


def _name_files(files: Sequence[ShopFile]) -> None:
    """Name the day files of each file: a table's after it, others after what reads them."""
    taken: set[str] = set()
    for file in files:
        stem = file.source
        if file.source == "table":
            stem = PurePosixPath(file.path).name.partition(".")[0]
        name = base = re.sub(r"[^A-Za-z0-9-]+", "_", stem).strip("_")[:50] or "table"
        number = 2
        while name in taken:
            name, number = f"{base}_{number}", number + 1
        taken.add(name)
        file.options["name"] = name


def read_rows(
    settings: Settings, connection: duckdb.DuckDBPyConnection, file: ShopFile
) -> tuple[SourceRows, list[tuple[str, list[str], list[tuple[Any, ...]], int]]]:
    """Read a file as `land` does, into the tables of a profile.

    Returns
    -------
    rows : SourceRows
        What `land` would write, with what it leaves out.
    shown : list of (feed, columns, rows, row count)
        The first rows of each feed.
    """
    options = {name: value for name, value in file.options.items() if name != "name"}
    rows = read_source(settings, connection, file.source, file.path, options)
    shown = []
    for feed, query, parameters in (
        ("events", rows.events, rows.events_parameters),
        ("items", rows.items, rows.items_parameters),
    ):
        if query is None:
            continue
        connection.execute(f"create or replace temp table read_rows as {query}", parameters or None)
        described = [name for name, *_ in connection.execute("describe read_rows").fetchall()]
        known = {name for name, *_ in connection.execute(f"describe shop_{feed}").fetchall()}
        columns = ", ".join(name for name in described if name in known)
        connection.execute(f"insert into shop_{feed} by name select {columns} from read_rows")
        ((count,),) = connection.execute("select count(*) from read_rows").fetchall()
        first = connection.execute(f"select * from read_rows limit {SHOWN_ROWS}").fetchall()
        shown.append((feed, described, first, count))
        connection.execute("drop table read_rows")
    return rows, shown
