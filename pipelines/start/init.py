"""Start a shop: read its files, choose its settings, write them, and tell what to type."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.config import PROJECT_ROOT, Settings, load_settings, parse_settings
from pipelines.base.durable import write_text
from pipelines.base.errors import LandingError, SettingsError
from pipelines.events.read_source import scratch_database
from pipelines.show.document import (
    Block,
    Bullets,
    Code,
    Heading,
    Paragraph,
    Table,
    left,
    right,
    wrap,
)
from pipelines.start.settings_text import settings_text
from pipelines.start.shop_files import Ask, ShopFile, read_rows, understand_files, where
from pipelines.start.shop_profile import EVENTS_TABLE, ITEMS_TABLE, ShopProfile, profile_shop
from pipelines.start.shop_settings import ShopSettings, choose_settings

if TYPE_CHECKING:
    import duckdb

    from pipelines.events.sources.source_rows import SourceRows


@dataclass(frozen=True)
class ShopStart:
    """What `init_shop` did.

    Parameters
    ----------
    files : list of ShopFile
        In the order in which they are landed.
    profile : ShopProfile
    chosen : ShopSettings
    run_command : str
        The night that knows all of the log.
    document : list of Block
        All of it, for people.
    """

    files: list[ShopFile]
    profile: ShopProfile
    chosen: ShopSettings
    run_command: str
    document: list[Block]


def may_write(config: Path, *, force: bool) -> None:
    """Refuse to replace a settings file that is there.

    Raises
    ------
    SettingsError
        If it is there and `force` is false, or it is the one of the bundled shop.
    """
    is_bundled = config.resolve() == PROJECT_ROOT / "recsys.toml"
    if config.exists() and (is_bundled or not force):
        own = "it is that of the bundled shop" if is_bundled else "it is there already"
        remedy = "" if is_bundled else ", or replace it with --force"
        raise SettingsError(
            f"A settings file that exists must not be lost. {config}: {own}. Start in a folder of "
            f"your own, name another file with --config{remedy}."
        )


def init_shop(
    config: Path, home: str | None, paths: Sequence[str], given: Mapping[str, Any], ask: Ask
) -> ShopStart:
    """Read the files of a shop as `land` does, and write settings that fit them.

    Parameters
    ----------
    config : Path
        The settings file to write; it is replaced.
    home : str, optional
        Where runs write.
    paths : sequence of str
    given : mapping
        Options of tables.
    ask : callable
        Gets a path and a question, and returns the answer.

    Raises
    ------
    LandingError
        If a file cannot be read, or a doubt is not settled.
    NoScoredUsersError
        If nobody could be scored in any window.
    """
    settings = parse_settings({"home": load_settings(None, home).home})
    files = understand_files(settings, paths, given, ask)
    document: list[Block] = []
    settings.temporary.mkdir(parents=True, exist_ok=True)
    with scratch_database(settings) as connection:
        profile = _read_all(settings, connection, files, document)
    chosen = choose_settings(profile)
    entries = [file.entry(config) for file in files]
    text = settings_text(profile, chosen, [Path(path).name for path in paths], entries)
    config.parent.mkdir(parents=True, exist_ok=True)
    write_text(config, text)
    load_settings(config, home)  # what was written must be valid
    options = where(settings, config)
    run = shlex.join(["recsys", "run", "--as-of", profile.as_of.isoformat(), *options])
    document += _chosen_blocks(profile, chosen, config)
    land = shlex.join(["recsys", "land", *options])
    document += [Heading("Next"), Code(f"{land}\n{run}")]
    return ShopStart(files, profile, chosen, run, document)


def _read_all(
    settings: Settings,
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[ShopFile],
    document: list[Block],
) -> ShopProfile:
    connection.execute(EVENTS_TABLE)
    connection.execute(ITEMS_TABLE)
    for file in files:
        if file.is_items and file.source == "table":
            _date_items(connection, file)
        rows, shown = read_rows(settings, connection, file)
        document += _file_blocks(file, rows, shown)
    profile = profile_shop(connection, settings.events.exposures)
    if profile is None:
        raise LandingError(
            "A shop must have events: who did what, and when. Found none in "
            f"{', '.join(file.path for file in files)}. Name a file of orders or views too."
        )
    return profile


def _date_items(connection: duckdb.DuckDBPyConnection, file: ShopFile) -> None:
    """Let items without a date be known from the first day, so that windows can be judged."""
    if {"known_from"} & set(file.options) or "valid_from" in file.options.get("mapping", {}):
        return
    ((first,),) = connection.execute("select min(event_at)::date from shop_events").fetchall()
    if first is not None:
        file.options["known_from"] = first.isoformat()
        file.reasons["(each row)"] = (
            f"valid_from: {first}, the first day of events, since the file has no dates: titles "
            "are taken as known in all windows. If yours change, give --map valid_from=COLUMN or "
            "--known-from"
        )


def _file_blocks(
    file: ShopFile,
    rows: SourceRows,
    shown: Sequence[tuple[str, list[str], list[tuple[Any, ...]], int]],
) -> list[Block]:
    """What a file is believed to be, its first rows, and what is left out."""
    blocks: list[Block] = [Heading(f"{file.path}: {file.source}")]
    told = [[column, *_split_reason(why)] for column, why in file.reasons.items()]
    blocks.append(Table([left("column"), left("is"), wrap("because")], told))
    if file.ignored:
        blocks.append(Paragraph(f"Not landed: {', '.join(file.ignored)}."))
    for feed, columns, first, count in shown:
        used = [
            place for place in range(len(columns)) if any(row[place] is not None for row in first)
        ]
        cells = [[_cell(row[place]) for place in used] for row in first]
        title = f"{count:,} {feed} land; the first of them"
        blocks.append(Table([wrap(columns[place]) for place in used], cells, title=title))
    counts = [f"left out {count:,}: {reason}" for reason, count in rows.exclusions.items()]
    counts += [f"unread {count:,}: {reason}" for reason, count in rows.unread.items()]
    return [*blocks, Bullets([*counts, *(f"note: {note}" for note in rows.notes)])]


def _split_reason(why: str) -> tuple[str, str]:
    name, colon, rest = why.partition(": ")
    return (name, rest) if colon and " " not in name else ("", why)


def _cell(value: Any) -> str:
    return "" if value is None else str(value)[:40]


def _chosen_blocks(profile: ShopProfile, chosen: ShopSettings, config: Path) -> list[Block]:
    """The profile and the settings that follow from it."""
    events = ", ".join(f"{count:,} {name}" for name, count in profile.event_counts.items())
    figures = [
        ["days", f"{profile.span_days:,}", f"{profile.first_day} to {profile.last_day}"],
        ["users", f"{profile.user_count:,}", f"{profile.median_events:g} events in the median"],
        ["items", f"{profile.item_count:,}", f"{profile.titled_share:.0%} with a title"],
        ["events", f"{sum(profile.event_counts.values()):,}", events],
        ["repeats", f"{profile.repeat_share:.0%}", f"of {profile.types[0]}s, on a later day"],
    ]
    reasons = [f"{one.section}.{one.key} = {one.value}: {one.reason}" for one in chosen.choices]
    shown = [text for text, one in zip(reasons, chosen.choices, strict=True) if one.reason]
    names = ", ".join(entry["name"] for entry in chosen.candidates)
    return [
        Heading("The log"),
        Table([left(""), right(""), wrap("")], figures),
        Heading(f"Settings, written to {config}"),
        Bullets([*shown, f"candidates: {names}"]),
        Bullets([f"not {name}: {why}" for name, why in chosen.left_out.items()]),
    ]
