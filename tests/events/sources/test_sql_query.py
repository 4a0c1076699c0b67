"""The same rows from a file, a database and an object store give the same day files."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from datetime import date

import duckdb
import pytest

from pipelines.base.errors import LandingError, SettingsError
from pipelines.events.landed_sources import remove_source
from pipelines.events.landing import land
from pipelines.events.load import load_days

dbapi = pytest.importorskip("adbc_driver_postgresql.dbapi", reason="extra `postgres` not installed")
pytestmark = pytest.mark.xdist_group("postgres")

OPTIONS = {
    "name": "orders",
    "mapping": {"user_id": "customer", "item_id": "sku", "event_at": "ordered"},
    "event_type": "purchase",
}
ROWS = [(f"{n % 7:03}", f"i{n % 5}", f"2024-03-{1 + n % 20:02} 10:00:00") for n in range(60)]


class Killed(BaseException):
    """As a signal would end the process, but caught by the test."""


QUERY = "select customer, sku, ordered from orders"


def day_files(settings):
    return {
        (path.parent.parent.name, path.parent.name): path.read_bytes()
        for path in settings.landing.rglob("date=*/*.parquet")
    }


@pytest.fixture
def from_file(make_settings, tmp_path):
    """What the rows land as from a CSV file."""
    path = tmp_path / "orders.csv"
    path.write_text("customer,sku,ordered\n" + "".join(",".join(row) + "\n" for row in ROWS))
    settings = make_settings(home=tmp_path / "file")
    land(settings, "table", path, **OPTIONS)
    return day_files(settings)


def fill(run, kind):
    run(f"create table orders (customer {kind}, sku {kind}, ordered timestamp)")
    values = ", ".join(f"('{user}', '{item}', '{at}')" for user, item, at in ROWS)
    run(f"insert into orders values {values}")


@pytest.fixture
def postgres(server):
    with dbapi.connect(server, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("drop table if exists orders")
        fill(cursor.execute, "text")
    return server


def test_rows_of_postgres_land_as_those_of_a_file(make_settings, postgres, from_file, monkeypatch):
    settings = make_settings()
    monkeypatch.setenv("SHOP", postgres)
    land(settings, "sql", url="env:SHOP", query=QUERY, **OPTIONS)
    assert day_files(settings) == from_file


def test_rows_of_duckdb_and_sqlite_land_as_those_of_a_file(make_settings, tmp_path, from_file):
    with duckdb.connect(tmp_path / "shop.duckdb") as connection:
        fill(connection.execute, "varchar")
    with closing(sqlite3.connect(tmp_path / "shop.sqlite")) as connection:
        fill(connection.execute, "text")
        connection.commit()
    for url in (f"{tmp_path}/shop.duckdb", f"sqlite:///{tmp_path}/shop.sqlite"):
        settings = make_settings(home=tmp_path / url[-6:])
        land(settings, "sql", url=url, query=QUERY, **OPTIONS)
        assert day_files(settings) == from_file


def test_a_pull_that_is_killed_and_run_again_ends_as_one_that_was_not(
    make_settings, postgres, from_file, monkeypatch
):
    settings = make_settings()
    monkeypatch.setattr("pipelines.events.landing.write_atomically", _killed_after(5))
    with pytest.raises(Killed):
        land(settings, "sql", url=postgres, query=QUERY, **OPTIONS)
    monkeypatch.undo()
    land(settings, "sql", url=postgres, query=QUERY, **OPTIONS)
    assert day_files(settings) == from_file


def _killed_after(count):
    from pipelines.events.day_folders import write_atomically

    left = [count]

    def write(path, content):
        left[0] -= 1
        if left[0] < 0:
            raise Killed("here")
        return write_atomically(path, content)

    return write


def test_a_watermark_pulls_only_new_rows(make_settings, postgres):
    settings = make_settings()
    options = OPTIONS | {"url": postgres, "query": QUERY, "watermark": "ordered"}
    assert land(settings, "sql", **options).event_count == len({*ROWS})
    assert land(settings, "sql", **options).notes == ["no row is new"]
    with dbapi.connect(postgres, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("insert into orders values ('001', 'new', '2024-03-20 11:00:00')")
    report = land(settings, "sql", **options)
    assert report.event_count == 1 and not [note for note in report.notes if "other parts" in note]
    load = load_days(settings, date(2024, 3, 21)).feeds["events"]
    assert load.total_rows == len({*ROWS}) + 1


def test_a_pull_that_was_taken_out_is_pulled_again(make_settings, postgres):
    settings = make_settings()
    options = OPTIONS | {"url": postgres, "query": QUERY, "watermark": "ordered"}
    land(settings, "sql", **options)
    before = day_files(settings)
    remove_source(settings, "orders")
    assert not day_files(settings)
    land(settings, "sql", **options)
    assert day_files(settings) == before


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"query": QUERY}, LandingError, "must have an address and SQL. Missing --url"),
        ({"url": "env:NOWHERE", "query": QUERY}, SettingsError, r"\$NOWHERE must hold the address"),
        ({"url": "none.duckdb", "query": QUERY}, LandingError, "must run on the database"),
        ({"url": "sqlite://", "query": "select"}, LandingError, "must run on the database"),
        (
            {"url": "sqlite://", "query": QUERY, "watermark": "ordered"},
            LandingError,
            "must be of a Postgres or DuckDB database. Got sqlite",
        ),
    ],
)
def test_a_query_that_cannot_run_is_refused(make_settings, options, error, message):
    with pytest.raises(error, match=message):
        land(make_settings(), "sql", **OPTIONS, **options)


def test_a_password_is_not_shown(make_settings):
    url = "postgresql://shop:secret@127.0.0.1:1/none"
    with pytest.raises(LandingError) as refused:
        land(make_settings(), "sql", url=url, query=QUERY, **OPTIONS)
    assert "secret" not in str(refused.value)


@pytest.fixture
def object_store(monkeypatch):
    """Address of an S3 server on loopback with a bucket `shop`, in this process."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    application = DomainDispatcherApplication(create_backend_app)
    service = make_server("127.0.0.1", 0, application, threaded=True)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    yield f"127.0.0.1:{service.server_port}"
    service.shutdown()


def test_a_folder_of_an_object_store_lands_as_a_file(make_settings, object_store, from_file):
    import pyarrow.fs as pafs

    store = pafs.S3FileSystem(
        endpoint_override=object_store,
        scheme="http",
        region="us-east-1",
        allow_bucket_creation=True,
    )
    store.create_dir("shop/orders")
    for name, rows in (("a", ROWS[:30]), ("b", ROWS[30:])):
        text = "customer,sku,ordered\n" + "".join(",".join(row) + "\n" for row in rows)
        with store.open_output_stream(f"shop/orders/{name}.csv.gz", compression="gzip") as stream:
            stream.write(text.encode())
    settings = make_settings()
    address = f"s3://shop/orders?endpoint_override={object_store}&scheme=http&region=us-east-1"
    land(settings, "table", address, **OPTIONS)
    assert day_files(settings) == from_file
