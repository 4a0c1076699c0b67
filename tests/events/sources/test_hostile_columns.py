"""Whatever a column holds: what lands is what was written, or it is refused or counted."""

from __future__ import annotations

import csv
import functools
import io
import json
import tempfile
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.base.errors import LandingError
from pipelines.base.ids import clean_id, is_nobody
from pipelines.base.settings_sections import EventSettings
from pipelines.base.source_settings import TableSettings
from pipelines.events.sources.table import read_table

EVENTS = EventSettings()
#: Columns that `make prove` tries in each format, and that the suite tries.
PROVED, TRIED = 700, 40

HOSTILE = st.sampled_from(
    [
        *("007", "12E4", "1.10", "1e5", "0x1F", "10-11-12", "10:30", "t", "true", "-1", "0", "1,5"),
        *("NaN", "null", "None", "(not set)", r"\N", "", "a,b", 'q"q', "a;b", "a\tb", "l1\nl2"),
        *(" x ", "é", "e\u0301", "\ufeffx", "\u200b", "\u202eabc", "a\x00b", "\x1b[31m", "x" * 300),
    ]
)
IDS = st.one_of(HOSTILE, st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
MOMENTS = st.datetimes(datetime(1990, 1, 2), datetime(2099, 12, 30))
NUMBERS = st.floats(-1e9, 1e9).map(lambda number: round(number, 2))
EPOCH = datetime(1970, 1, 1)


def _clock(form, precision=timedelta(seconds=1)):
    return lambda moment: (moment.strftime(form), moment - (moment - EPOCH) % precision)


def _epoch(unit_seconds):
    def write(moment):
        count = (moment - EPOCH) // timedelta(microseconds=1)
        step = round(unit_seconds * 1_000_000)
        text = str(count // step) if step else f"{count}000"
        return text, EPOCH + timedelta(microseconds=count // step * step if step else count)

    return write


def _offset(hours):
    zone = timezone(timedelta(hours=hours))
    return lambda moment: (moment.replace(tzinfo=UTC).astimezone(zone).isoformat(), moment)


#: How a column of times may be written; each gives the text and the moment that it names.
TIME_FORMS = {
    "iso": lambda moment: (moment.isoformat(sep=" "), moment),
    "utc": lambda moment: (moment.isoformat() + "Z", moment),
    "offset": _offset(5.5),
    "behind": _offset(-8),
    "spaced": _clock("%Y-%m-%d %H:%M:%S +0000"),
    "slashes": _clock("%Y/%m/%d %H:%M", timedelta(minutes=1)),
    "basic": _clock("%Y%m%d", timedelta(days=1)),
    "day first": _clock("%d.%m.%Y %H:%M:%S"),
    "month first": _clock("%m/%d/%Y", timedelta(days=1)),
    "seconds": _epoch(1),
    "milliseconds": _epoch(1e-3),
    "microseconds": _epoch(1e-6),
    "nanoseconds": _epoch(0),
}
#: How a column of numbers may be written; each gives the text.
NUMBER_FORMS = {
    "plain": repr,
    "thousands": lambda number: f"{number:,.2f}",
    "grouped": lambda number: f"{number:,.0f}",
    "currency": lambda number: f"${number:,.2f}" if number >= 0 else f"-${-number:,.2f}",
    "comma": lambda number: f"{number:.2f}".replace(".", ","),
    "european": lambda number: f"{number:,.2f}".translate(str.maketrans(",.", ".,")),
}
JUNK = st.sampled_from(["", "NA", "soon", "?", "0", "31", "1,2,3", "--", "\x00"])


@st.composite
def tables(draw):
    """Rows as texts and as they are meant, the first a good one; and the options they need."""
    time_form = draw(st.sampled_from(sorted(TIME_FORMS)))
    number_form = draw(st.sampled_from(sorted(NUMBER_FORMS)))
    rows = []
    for number in range(draw(st.integers(1, 8))):
        text, moment = TIME_FORMS[time_form](draw(MOMENTS))
        price = draw(NUMBERS)
        if number_form == "grouped":
            price = round(price)
        written = {
            "event_id": f"e{number}",
            "user_id": draw(IDS) if number else "u",
            "item_id": draw(IDS) if number else "i",
            "event_at": draw(JUNK) if number and not draw(st.integers(0, 9)) else text,
            "price": NUMBER_FORMS[number_form](price) if draw(st.integers(0, 9)) else draw(JUNK),
        }
        is_time = written["event_at"] == text
        is_price = written["price"] == NUMBER_FORMS[number_form](price)
        rows.append((written, moment if is_time else None, price if is_price else None))
    needs_option = number_form in ("comma", "european")
    return rows, {"decimal_comma": needs_option and draw(st.integers(0, 3)) > 0}


def as_csv(rows, draw):
    delimiter = draw(st.sampled_from([",", ";", "\t", "|"]))
    quoting = draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=delimiter, quoting=quoting)
    writer.writerow(rows[0])
    writer.writerows(row.values() for row in rows)
    return stream.getvalue().encode(), {"delimiter": delimiter}


def as_json(rows, draw):
    is_ascii = draw(st.booleans())
    lines = []
    for row in rows:
        fields = []
        for name, text in row.items():
            is_number = text in ("12E4", "1.10", "1e5", "0", "-1") and draw(st.booleans())
            value = text if is_number else json.dumps(text, ensure_ascii=is_ascii)
            fields.append(f"{json.dumps(name)}: {value}")
        lines.append("{" + ", ".join(fields) + "}\n")
    return "".join(lines).encode(), {}


def as_parquet(rows, draw):
    kind = draw(st.sampled_from([pa.string(), pa.large_string(), pa.binary()]))
    columns = {}
    for name in rows[0]:
        texts = pa.array([row[name] for row in rows], pa.string())
        columns[name] = texts.dictionary_encode() if draw(st.booleans()) else texts.cast(kind)
    buffer = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue().to_pybytes(), {}


FORMATS = {"csv": as_csv, "jsonl": as_json, "parquet": as_parquet}


@functools.cache
def scratch():
    """One database for all examples: each replaces the tables of the one before."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("set TimeZone = 'UTC'")
    return connection


def meant_id(text):
    """The id that a text is, or None if it is none."""
    try:
        found = clean_id(text)
    except ValueError:
        return None
    return None if is_nobody(found, EVENTS.nobody) else found


def check(form, table, draw):
    """Land a table: every row is what was meant, or counted; False if the whole is refused."""
    rows, said = table
    content, options = FORMATS[form]([written for written, *_ in rows], draw)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"log.{form}"
        path.write_bytes(content)
        connection = scratch()
        chosen = TableSettings(event_type="view", **options, **said)
        try:
            found = read_table(connection, str(path), chosen, EVENTS, date(2024, 1, 1))
        except LandingError:
            return False
        names = ("event_id", "user_id", "item_id", "event_at", "price")
        landed = connection.execute(f"select {', '.join(names)} from ({found.events})").fetchall()
    meant = {written["event_id"]: (written, at, price) for written, at, price in rows}
    for event_id, user_id, item_id, event_at, price in landed:
        written, wanted_at, wanted_price = meant[event_id]
        assert (user_id, item_id) == (meant_id(written["user_id"]), meant_id(written["item_id"]))
        assert wanted_at is None or event_at == wanted_at
        assert price is None or wanted_price is None or price == pytest.approx(wanted_price)
    assert len(landed) + sum(found.exclusions.values()) == len(rows)
    unread = [
        written
        for written, _, wanted_price in rows
        if wanted_price is not None
        and next((row[4] for row in landed if row[0] == written["event_id"]), 0.0) is None
    ]
    assert len(unread) <= sum(found.unread.values())
    return True


@pytest.mark.parametrize("form", FORMATS)
def test_what_lands_is_what_was_written(form):
    _try(form, TRIED)


@pytest.mark.prove
@pytest.mark.parametrize("form", FORMATS)
def test_what_lands_is_what_was_written_in_thousands_of_columns(form):
    _try(form, PROVED)


def _try(form, count):
    @settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))
    @given(tables(), st.data())
    def run(table, data):
        is_landed.append(check(form, table, data.draw))

    is_landed = []
    run()
    assert sum(is_landed) > len(is_landed) / 4, "most tables are refused: hardly a value is tried"
