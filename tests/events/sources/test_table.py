"""Files as shops have them: each lands as it was written, or is refused in words that lead on."""

from __future__ import annotations

import gzip
import json
from datetime import date, datetime
from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.base.errors import LandingError
from pipelines.base.settings_sections import EventSettings
from pipelines.events.sources.presets import table_settings
from pipelines.events.sources.table import read_table

MAPPING = {"user_id": "customer", "item_id": "sku", "event_at": "ts"}
LANDING_DAY = date(2024, 4, 1)
EVENTS = EventSettings()


@pytest.fixture
def read():
    """Rows of a file as dicts, and what was said about them."""

    def read_file(path, preset=None, *, events=EVENTS, **options):
        if preset is None:
            options = {"mapping": MAPPING, "event_type": "purchase"} | options
            if options.get("feed") == "items":
                options.pop("event_type")
        connection = duckdb.connect(config={"threads": 1})
        connection.execute("set TimeZone = 'UTC'")
        settings = table_settings(preset, options)
        rows = read_table(connection, str(path), settings, events, LANDING_DAY)
        found = connection.execute(rows.events or rows.items)
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()], rows

    return read_file


@pytest.fixture
def write(tmp_path):
    def write_file(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


def orders(*rows):
    return "customer,sku,ts\n" + "".join(f"{row}\n" for row in rows)


# ids


@pytest.mark.parametrize("item", ["0663713002", "0x1F", "1.10", "12E4", "10-11-12", "10:30", "t"])
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_ids_are_the_text_that_was_written(read, tmp_path, item, form):
    path = tmp_path / f"log.{form}"
    if form == "csv":
        path.write_text(orders(f"007,{item},2024-03-01", f"7,{item[:-1] or 'x'},2024-03-02"))
    elif form == "jsonl":
        written = item if item in ("1.10", "12E4") else json.dumps(item)
        path.write_text(f'{{"customer": "007", "sku": {written}, "ts": "2024-03-01"}}\n')
    else:
        columns = {"customer": ["007"], "sku": [item], "ts": ["2024-03-01"]}
        pq.write_table(pa.table(columns), path)
    found, _ = read(path)
    assert (found[0]["user_id"], found[0]["item_id"]) == ("007", item)


def test_an_id_of_letters_after_thousands_of_numbers_is_read(read, write):
    rows = [f"u{n % 9},{20_000 + n % 300},2024-03-{1 + n % 28:02} 10:00:00" for n in range(21_000)]
    found, _ = read(write("log.csv", orders(*rows, "u1,85123A,2024-03-28", "u1,020001,2024-03-29")))
    assert {"85123A", "020001", "20001"} <= {row["item_id"] for row in found}


def test_items_and_events_of_the_same_spelling_join(read, write):
    events, _ = read(write("log.csv", orders("u1,1.10,2024-03-01", "u1,1.1,2024-03-02")))
    path = write("items.csv", "id,name\n1.10,Lamp\n1.1,Vase\n")
    items, _ = read(path, feed="items", mapping={"item_id": "id", "title": "name"})
    assert {row["item_id"] for row in events} == {row["item_id"] for row in items}


def test_rows_of_nobody_are_left_out_and_counted(read, write):
    path = write(
        "log.csv",
        orders(
            "u1,i1,2024-03-01",
            *[f"{name},i1,2024-03-02" for name in ("nan", "None", "NULL", "(not set)", r"\N", " ")],
        ),
    )
    found, rows = read(path)
    assert len(found) == 1
    assert rows.exclusions == {"user_id means nobody": 5, "user_id is empty": 1}


def test_ids_that_became_doubles_lose_their_point(read, tmp_path):
    path = tmp_path / "log.parquet"
    columns = {"customer": [17850.0, None], "sku": ["i1", "i2"], "ts": ["2024-03-01"] * 2}
    pq.write_table(pa.table(columns), path)
    found, rows = read(path)
    assert found[0]["user_id"] == "17850" and rows.exclusions == {"user_id is empty": 1}


def test_a_double_whose_spelling_is_lost_is_no_id(read, tmp_path):
    path = tmp_path / "log.parquet"
    pq.write_table(pa.table({"customer": [1.5], "sku": ["i1"], "ts": ["2024-03-01"]}), path)
    with pytest.raises(LandingError, match="text or a whole number.*'customer'.*1.5"):
        read(path)


def test_a_list_is_no_id_and_its_elements_can_be_rows(read, tmp_path):
    path = tmp_path / "log.parquet"
    items = [[{"id": "i1", "q": 2}, {"id": "i2", "q": 1}], []]
    pq.write_table(
        pa.table({"customer": ["u1", "u2"], "ts": ["2024-03-01"] * 2, "sku": items}), path
    )
    with pytest.raises(LandingError, match="'sku' holds list.*Name what is inside"):
        read(path)
    found, rows = read(
        path, mapping=MAPPING | {"item_id": "sku[].id", "value": "sku[].q"}, max_bad_share=0.5
    )
    assert [(row["user_id"], row["item_id"], row["value"]) for row in found] == [
        ("u1", "i1", 2.0),
        ("u1", "i2", 1.0),
    ]
    assert rows.exclusions == {"a record has no element of sku[]": 1}


def test_a_list_in_json_is_no_id(read, write):
    lines = [{"customer": "u1", "sku": sku, "ts": "2024-03-01"} for sku in ("i1", ["i1"], {"a": 1})]
    found, rows = read(write("log.jsonl", "\n".join(json.dumps(line) for line in lines)))
    assert len(found) == 1 and rows.exclusions == {"item_id is a list or an object": 2}


# times


@pytest.mark.parametrize(
    ("times", "readings"),
    [
        (["03/04/2024 10:00", "04/04/2024 11:00"], ("3 April 2024", "4 March 2024")),
        (["04.03.2024"], ("4 March 2024", "3 April 2024")),
        (["1-2-2024"], ("1 February 2024", "2 January 2024")),
    ],
)
def test_days_and_months_that_can_be_swapped_are_refused_with_both_readings(
    read, write, times, readings
):
    path = write("log.csv", orders(*[f"u1,i1,{time}" for time in times]))
    with pytest.raises(LandingError, match=f"{readings[0]} with .*{readings[1]} with") as refused:
        read(path)
    form = str(refused.value).split("--time-format '")[1].split("'")[0]
    found, _ = read(path, time_format=form)
    assert len(found) == len(times)


def test_the_only_order_of_a_whole_file_is_taken_and_said(read, write):
    path = write("log.csv", orders(*[f"u1,i{n},11/{n}/2000" for n in range(1, 14)]))
    found, rows = read(path)
    assert {row["event_at"] for row in found} == {datetime(2000, 11, n) for n in range(1, 14)}
    assert any("read month first" in note for note in rows.notes)


def test_a_file_of_both_orders_is_refused(read, write):
    path = write("log.csv", orders("u1,i1,13/11/2000", "u1,i1,11/13/2000"))
    with pytest.raises(LandingError, match="Both orders of day and month occur in column 'ts'"):
        read(path)


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1709287200]),
        pa.array([1709287200.0]),
        pa.array([1709287200 * 10**9]),
        pa.array([Decimal(1709287200)], pa.decimal128(38, 0)),
        pa.array([datetime(2024, 3, 1, 10)], pa.timestamp("ns", "UTC")),
        pa.array(["2024-03-01T12:00:00+02:00"]).dictionary_encode(),
        pa.array([b"2024-03-01 10:00"], pa.binary()),
    ],
)
def test_times_of_every_type_of_parquet_are_read(read, tmp_path, values):
    path = tmp_path / "log.parquet"
    pq.write_table(pa.table({"customer": ["u1"], "sku": ["i1"], "ts": values}), path)
    assert read(path)[0][0]["event_at"] == datetime(2024, 3, 1, 10)


@pytest.mark.parametrize("counter", [list(range(7)), [0, 2400], [19_000, 19_001]])
def test_a_counter_is_no_time(read, write, counter):
    path = write("log.csv", orders(*[f"u1,i1,{number}" for number in counter]))
    with pytest.raises(LandingError, match="'ts' holds numbers from .* is no time.*--day-zero"):
        read(path)
    found, _ = read(path, day_zero="2016-01-01")
    assert min(row["event_at"] for row in found) >= datetime(2016, 1, 1)


def test_times_that_cannot_be_read_are_counted_among_those_that_can(read, write):
    path = write("log.csv", orders("u1,i1,1709287200", "u2,i1,NA", "u3,i1,", "u4,i1,1969-07-20"))
    found, rows = read(path)
    assert len(found) == 1
    assert rows.exclusions == {
        "event_at cannot be read as a time": 1,
        "event_at is empty": 1,
        "event_at is before 1990": 1,
    }


def test_a_source_of_which_no_row_is_left_is_refused_with_its_reasons(read, write):
    path = write("log.csv", orders("u1,i1,soon", "nan,i1,2024-03-01"))
    with pytest.raises(LandingError, match=r"all are left out: .*time \(1\), .*nobody \(1\)"):
        read(path)


def test_a_file_without_times_is_given_a_day(read, write):
    path = write("log.csv", "customer,sku\nu1,i1\n")
    mapping = {"user_id": "customer", "item_id": "sku"}
    with pytest.raises(LandingError, match="needs a source for event_at.*--event-at"):
        read(path, mapping=mapping)
    assert read(path, mapping=mapping, event_at="2004-01-01")[0][0]["event_at"].year == 2004


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time_zone": "Mars/Base"}, "IANA database. Got 'Mars/Base'"),
        ({"time_format": "%Q"}, "must be written as of strptime.*Got '%Q'"),
    ],
)
def test_a_zone_or_format_that_is_none_is_refused(read, write, options, message):
    with pytest.raises(LandingError, match=message):
        read(write("log.csv", orders("u1,i1,2024-03-01")), **options)


def test_items_without_a_date_are_known_from_the_landing_day_and_that_is_said(read, write):
    path = write("items.csv", "id,name\ni1,Lamp\n")
    found, rows = read(path, feed="items", mapping={"item_id": "id", "title": "name"})
    assert found[0]["valid_from"] == datetime(2024, 4, 1)
    assert [note for note in rows.notes if "known from 2024-04-01" in note]


# numbers and flags


def priced(*prices):
    return "customer;sku;ts;price\n" + "".join(f"u1;i1;2024-03-01;{one}\n" for one in prices)


def test_a_decimal_comma_needs_its_option(read, write):
    path = write("log.csv", priced("12,90", "13,90"))
    mapping = MAPPING | {"price": "price"}
    with pytest.raises(
        LandingError, match="2 of the 2 values of column 'price'.*'12,90'.*--decimal"
    ):
        read(path, mapping=mapping)
    found, _ = read(path, mapping=mapping, decimal_comma=True)
    assert {row["price"] for row in found} == {12.9, 13.9}


def test_a_currency_and_thousands_are_read_where_they_have_one_reading(read, write):
    found, _ = read(
        write("log.csv", priced("$10,200.50", "1,234", "£5")), mapping=MAPPING | {"price": "price"}
    )
    assert {row["price"] for row in found} == {10200.5, 1234.0, 5.0}


def test_one_group_of_three_digits_has_two_readings(read, write):
    with pytest.raises(LandingError, match=r"'1,234' in column 'price' is 1234 .* and 1.234"):
        read(write("log.csv", priced("1,234", "5")), mapping=MAPPING | {"price": "price"})


def test_numbers_that_cannot_be_read_are_counted_and_their_rows_stay(read, write):
    path = write(
        "log.csv", priced("5", "cheap", "dear").replace("u1;i1;2024-03-01;d", "u2;i1;2024-03-01;d")
    )
    found, rows = read(path, mapping=MAPPING | {"price": "price"})
    assert len(found) == 3 and rows.unread == {"price is no number, as in 'cheap'": 2}


# event types and event ids


def test_unknown_event_types_are_named_and_can_be_mapped(read, write):
    path = write(
        "log.csv",
        "user_id,item_id,event_at,event_type\n"
        + "".join(
            f"u1,i{n},2024-03-01,{kind}\n" for n, kind in enumerate(("view", "cart", "remove", "x"))
        ),
    )
    options = {"mapping": {}, "event_type": None}
    with pytest.raises(LandingError, match="Got 'cart'.*event_type:cart=add_to_cart"):
        read(path, **options)
    kinds = {"view": "view", "cart": "add_to_cart", "remove": "", "*": "click"}
    found, rows = read(path, **options, value_map={"event_type": kinds})
    assert [row["event_type"] for row in found] == ["add_to_cart", "click", "view"]
    assert rows.exclusions == {"event_type is left out by --map-value": 1}


def test_the_number_of_an_order_is_no_event_id(read, write):
    path = write("log.csv", "order,customer,sku,ts\n1,u1,i1,2024-03-01\n1,u1,i2,2024-03-01\n")
    with pytest.raises(LandingError, match="'order' repeat over different items.*session_id=order"):
        read(path, mapping=MAPPING | {"event_id": "order"})


def test_an_id_of_events_of_two_users_or_types_is_no_event_id(read, write):
    mapping = MAPPING | {"event_id": "id", "event_type": "kind"}
    for rows in ("1,u1,i1,D,view\n1,u2,i1,D,view", "1,u1,i1,D,view\n1,u1,i1,D,purchase"):
        path = write("log.csv", f"id,customer,sku,ts,kind\n{rows}\n".replace("D", "2024-03-01"))
        with pytest.raises(LandingError, match="users or types, the first is '1'"):
            read(path, mapping=mapping, event_type=None)


@pytest.mark.parametrize(
    ("kind", "negative", "said"),
    [
        ("purchase", "return", "2 purchases of a negative quantity count as returns"),
        ("purchase", "refuse", "an event of type purchase has a quantity below 0"),
        ("add_to_cart", "return", "an event of type add_to_cart has a quantity below 0"),
        ("rating", "refuse", None),
        ("return", "refuse", None),
    ],
)
def test_negative_quantities_are_said_and_counted(read, write, kind, negative, said):
    rows = "u1,i1,2024-03-01,2\nu1,i2,2024-03-01,-1\nu1,i3,2024-03-01,-2\n"
    path = write("log.csv", "customer,sku,ts,units\n" + rows)
    options = {"mapping": MAPPING | {"value": "units"}, "event_type": kind}
    events = EventSettings(negative_quantity=negative)
    found, read_rows = read(path, **options, events=events)
    is_kept = said is None or said.endswith("returns")
    assert [row["value"] for row in found] == ([2, -1, -2] if is_kept else [2])
    assert [*read_rows.exclusions.values()] == ([] if is_kept else [2])
    told = [*read_rows.notes, *read_rows.exclusions]
    assert [text.startswith(said or "") for text in told] == ([] if said is None else [True])


def test_rows_that_differ_in_nothing_are_counted_or_are_units(read, write):
    path = write("log.csv", orders(*["u1,i1,2024-03-01"] * 3, "u2,i1,2024-03-01"))
    found, rows = read(path)
    assert len(found) == 2 and [*rows.exclusions.values()] == [2]
    found, rows = read(path, quantity_per_row=True)
    assert sorted(row["value"] for row in found) == [1.0, 3.0] and not rows.exclusions


# files


def test_lines_that_are_no_rows_are_named_by_number_and_the_rest_lands(read, write):
    good = [f"u{n},i1,2024-03-01" for n in range(30)]
    found, rows = read(write("log.csv", orders(*good, "u1,i1,2024-03-02,more", "u2,i1")))
    assert len(found) == 30 and sum(rows.exclusions.values()) == 2
    assert [note.split(":")[0] for note in rows.notes] == ["row 32", "row 33"]
    with pytest.raises(
        LandingError, match="At most 10% .*Got 2 of 3.*row 3: u1,i1,2024-03-02,more"
    ):
        read(write("bad.csv", orders("u0,i1,2024-03-01", "u1,i1,2024-03-02,more", "u2,i1")))


def test_an_encoding_is_named_not_guessed(read, write):
    rows = ["u1;Café;2024-03-01"]
    path = write("log.csv", "\n".join(["customer;sku;ts", *rows]).encode("latin-1"))
    with pytest.raises(
        LandingError, match=r"not of the encoding.*row 2: Caf\\xE9.*--encoding latin-1"
    ):
        read(path)
    assert read(path, encoding="latin-1")[0][0]["item_id"] == "Café"
    with pytest.raises(LandingError, match="one that Python knows. Got 'klingon'"):
        read(path, encoding="klingon")


def test_quotes_escaped_by_a_backslash_are_seen_and_said(read, write):
    text = '"id";"name"\n"1";"Caf"\n"2";"Clara \\"C\\"; a life"\n"3";"x"\n'
    mapping = {"item_id": "id", "title": "name"}
    found, rows = read(write("items.csv", text), feed="items", mapping=mapping)
    assert [row["title"] for row in found] == ["Caf", 'Clara "C"; a life', "x"]
    assert any("quotes are escaped by" in note for note in rows.notes)


def test_a_file_without_a_header_is_given_names(read, write):
    path = write("log.dat", "u1\ti1\t1709287200\n")
    found, _ = read(path, columns=("customer", "sku", "ts"))
    assert found[0]["user_id"] == "u1"


def test_compressed_json_lines_and_arrays_are_read(read, write):
    line = {"customer": "u1", "sku": "i1", "ts": 1709287200}
    lines = write("log.json.gz", gzip.compress((json.dumps(line) + "\n").encode() * 2 + b"{\n" * 0))
    assert len(read(lines)[0]) == 1
    assert len(read(write("array.json", json.dumps([line])))[0]) == 1


def test_a_broken_line_of_json_is_a_fault(read, write):
    line = json.dumps({"customer": "u1", "sku": "i1", "ts": 1709287200})
    with pytest.raises(LandingError, match="a line is no JSON object .*row 2: nonsense"):
        read(write("log.jsonl", f"{line}\nnonsense\n"))


def test_a_folder_of_partitions_is_read_with_their_values(read, tmp_path):
    for day in ("2024-03-01", "2024-03-02"):
        folder = tmp_path / "out" / f"dt={day}"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"customer": ["u1"], "sku": ["i1"]}), folder / "part-0.parquet")
        (folder / "_SUCCESS").touch()
    found, _ = read(tmp_path / "out", mapping=MAPPING | {"event_at": "dt"})
    assert [row["event_at"].day for row in found] == [1, 2]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("log.csv", "", "must hold a header and rows"),
        ("log.csv", "customer,sku,ts\n", "must hold rows. Found none"),
        ("log.csv", "a,a,b\n1,2,3\n", "name each column once. Got a twice"),
        ("log.csv", b"PK\x00\x00", "must hold text. Found zero bytes"),
        ("log.parquet", "text", "must be readable to its end"),
        ("log.json", "[1", "an object a line, or one array"),
        ("log.xlsx", "text", "of the formats .*Found none"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_refused(read, write, name, content, message):
    with pytest.raises(LandingError, match=message):
        read(write(name, content))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"event_type": None}, "needs a source for event_type.*--event-type purchase"),
        ({"mapping": {"user_id": "customer"}}, "source for item_id, event_at"),
        ({"mapping": {"user": "customer"}}, "must name columns of the events feed.*Got user"),
        ({"mapping": {"user_id": "custmer"}}, "Missing custmer.*perhaps `customer` for `custmer`"),
        ({"mapping": MAPPING | {"item_id": "a[].b[].c"}}, "Missing a"),
        ({"feed": "people"}, "`feed`: .*Got 'people'"),
        ({"colour": "red"}, "`colour`: .*Got 'red'"),
    ],
)
def test_options_that_cannot_work_are_explained(read, write, options, message):
    with pytest.raises(LandingError, match=message):
        read(write("log.csv", orders("u1,i1,2024-03-01")), **options)


def test_a_missing_table_is_an_error(read, tmp_path):
    with pytest.raises(LandingError, match="Found none at"):
        read(tmp_path / "none.csv")
