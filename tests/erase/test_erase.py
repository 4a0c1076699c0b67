from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.base.attributes import AttributeSettings
from pipelines.base.config import load_settings
from pipelines.base.current import read_current, stored_ids
from pipelines.base.errors import EraseError, HomeBusyError, SettingsError
from pipelines.base.night_lock import shared_home
from pipelines.base.warehouse import connect, fingerprint_tables
from pipelines.erase.erase import erase_user
from pipelines.erase.scan import find_user
from pipelines.erase.words import UserWords
from tests.conftest import SHOP_SETTINGS, land_small_shop, shop_night, write_day
from tests.fault_night import call, copy_home, make_context

#: The last customer of the second night, so that its report shows them; no file has it by chance.
USER = "Zoë-O'Neill-77431"
NIGHTS = [shop_night(week) for week in (8, 9, 10)]


def shop_settings(home):
    """The shop of the tests with one placement, which lets a small day have two bad rows."""
    settings = load_settings(SHOP_SETTINGS, home)
    events = settings.events.model_copy(update={"max_quarantine_share": 0.05})
    rules = {"eligible": ("user.plan is null or user.country = 'FR'",)}
    placements = {"discover": settings.placements["discover"].model_copy(update=rules)}
    declared = AttributeSettings(users={"plan": "text"})
    settings = settings.model_copy(update={"attributes": declared})
    return settings.model_copy(update={"events": events, "placements": placements})


def shop_with_user(home) -> None:
    """Three nights of which the last two are published, with the user wherever one can be."""
    from datetime import datetime, timedelta

    from pipelines.run.night import run_in_a_row

    settings = shop_settings(home)
    land_small_shop(settings)
    users = {"user_id": [USER, "u001"], "country": ["FR", "FR"], "plan": ["gold", None]}
    write_day(settings, "users", NIGHTS[0] - timedelta(days=20), users)
    for week, night in enumerate(NIGHTS):
        for days_before in (1, 3, 5):
            day = night - timedelta(days=days_before)
            midnight = datetime.combine(day, datetime.min.time())
            columns = {
                "event_id": [f"own-{day}-{n}" for n in range(3)],
                "event_type": ["purchase"] * 3,
                "user_id": [USER] * 3,
                "item_id": [f"i{3 * week + n:02}" for n in range(3)],
                "event_at": [midnight + timedelta(hours=23, minutes=57 + n) for n in range(3)],
            }
            folder = settings.landing / "events" / f"date={day}"
            pq.write_table(pa.table(columns), folder / "own.parquet")
    # A bad row with the id in its payload, a line that is no row, and the API's log.
    day = NIGHTS[1] - timedelta(days=2)
    folder = settings.landing / "events" / f"date={day}"
    rows = [
        {"event_type": "purchase", "user_id": USER, "item_id": "i01", "event_at": "no time"},
        {"event_type": "purchase", "user_id": "u001", "item_id": "i01", "event_at": f"{day} 10:00"},
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "late.jsonl").write_text(text + f'{{"user_id": "{USER}", "item_id": "i0\n')
    write_logs(settings.home, day)
    for night in NIGHTS[1:]:
        run_in_a_row(settings, night)


def write_logs(home, day):
    logs = home / "exposures" / f"date={day}"
    logs.mkdir(parents=True, exist_ok=True)
    lines = [{"user_id": user, "items": ["i01"]} for user in ("u001", USER, "u002")]
    (logs / "served-1.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def others(home):
    """What nobody else may notice: every list of a live publication but the user's, sorted."""
    settings = shop_settings(home)
    found = {}
    for publication_id in stored_ids(settings):
        path = settings.publications / publication_id / "lists.sqlite"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
            rows = store.execute("select * from lists where user_id <> ?", [USER]).fetchall()
        found[publication_id[:10]] = rows
    return found


def held_by_publications(home):
    """Tables of `lists.sqlite` that have rows of the user, of any publication."""
    settings, found = shop_settings(home), set()
    for publication_id in stored_ids(settings):
        path = settings.publications / publication_id / "lists.sqlite"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
            for table in ("people", "lists", "exclusions"):
                rows = store.execute(f"select 1 from {table} where user_id = ?", [USER])
                found |= {table} if rows.fetchone() else set()
    return found


def erase_in_child(home, fault=None):
    """Erase in this process, maybe with a fault; returns the places it passed."""
    from pipelines.base.faults import passed_places

    if fault is not None:
        os.environ["RECSYS_FAULT"] = fault
    erase_user(shop_settings(home), USER)
    return list(passed_places())


def run_night(home, week):
    from pipelines.run.night import run_in_a_row

    run_in_a_row(shop_settings(home), shop_night(week))


def tables(home):
    with connect(shop_settings(home), read_only=True) as warehouse:
        return fingerprint_tables(warehouse)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A function that copies the shop to the one place its home may be at, and a context."""
    context, root = make_context(), tmp_path_factory.mktemp("erase")
    home = root / "home"
    ended = call(context, root / "work", shop_with_user, home)
    assert ended.exit_code == 0, ended.log.read_text()
    copy_home(home, root / "before")

    def fresh():
        return copy_home(root / "before", home)

    return context, root / "work", fresh


@pytest.mark.slow
@pytest.mark.xdist_group("erase")
def test_after_an_erasure_no_byte_of_the_home_names_the_user(shop):
    _, _, fresh = shop
    home = fresh()
    settings = shop_settings(home)
    before = find_user(home, UserWords(USER))
    kinds = {path.name for path in before}
    assert {
        "warehouse.duckdb",
        "serving.duckdb",
        "lists.sqlite",
        "report.json",
        "report.md",
    } <= kinds
    assert {"own.parquet", "late.jsonl", "served-1.jsonl", "histories.npz", "examples.md"} <= kinds
    assert {"per_user.parquet", "user_item_days.parquet", "control.parquet"} <= kinds
    assert {f"user_attributes-{NIGHTS[2]}.parquet", "users.parquet"} <= kinds  # of the users feed
    assert any("landing/users" in str(path) for path in before)
    assert held_by_publications(home) == {"people", "lists", "exclusions"}
    lists, live = others(home), read_current(settings)
    assert erase_user(settings, USER, dry_run=True)["hit_count"] == len(before)
    assert find_user(home, UserWords(USER)) == before
    found = erase_user(settings, USER)
    assert (found["hit_count"], find_user(home, UserWords(USER))) == (0, [])
    assert held_by_publications(home) == set()
    assert {step for step, count in found["removed"].items() if not count} <= {"rows of MLflow"}
    after = read_current(settings, verify=True)
    assert others(home) == lists and after.as_of == live.as_of
    assert after.manifest["user_count"] == live.manifest["user_count"] - 1
    with connect(settings, read_only=True) as warehouse:
        (users,) = warehouse.execute(
            "select count(distinct user_id) from serving.current_recommendations"
        ).fetchone()
        quarantined = warehouse.execute("select count(*) from raw.quarantine").fetchone()
    assert (users, quarantined) == (after.manifest["user_count"], (0,))


@pytest.mark.slow
@pytest.mark.xdist_group("erase")
def test_later_nights_backfills_and_landed_files_do_not_bring_the_user_back(shop, tmp_path):
    context, work, fresh = shop
    home = fresh()
    landed = tmp_path / "source"
    shutil.copytree(home / "landing", landed)
    assert call(context, work, erase_in_child, home).exit_code == 0
    shutil.copytree(landed, home / "landing", dirs_exist_ok=True)  # the source lands it again
    write_logs(home, NIGHTS[2].replace(day=10))
    assert find_user(home, UserWords(USER))
    for week in (8, 10):  # a backfill of a night before all others, and the newest night again
        ended = call(context, work, run_night, home, week)
        assert ended.exit_code == 0, ended.log.read_text()[-3000:]
    assert find_user(home, UserWords(USER)) == []


def kill_erasure_at(shop, choose) -> int:
    """Kill an erasure at some of its places, erase again, and compare; returns how many."""
    context, work, fresh = shop
    places = call(context, work, erase_in_child, fresh(), "0").answer
    home = fresh()
    erase_user(shop_settings(home), USER)
    expected, lists = tables(home), others(home)
    numbers = choose(places)
    for number in numbers:
        ended = call(context, work, erase_in_child, fresh(), str(number))
        assert ended.exit_code == -9, (number, ended.log.read_text()[-3000:])
        settings = shop_settings(home)
        read_current(settings, verify=True)
        erase_user(settings, USER)
        assert (find_user(home, UserWords(USER)), others(home)) == ([], lists), number
        assert tables(home) == expected, number
    print(f"an erasure was killed at {len(numbers)} of {len(places)} places, and healed each time")
    return len(numbers)


@pytest.mark.slow
@pytest.mark.xdist_group("erase")
def test_an_erasure_that_is_killed_is_healed_by_the_next(shop):
    def last_of_some(places):
        return [
            len(places) - places[::-1].index(name)
            for name in ("erase.publication_replaced", "erase.file")
        ]

    assert kill_erasure_at(shop, last_of_some) == 2


@pytest.mark.prove
@pytest.mark.xdist_group("erase")
def test_an_erasure_is_healed_wherever_it_was_killed(shop):
    assert kill_erasure_at(shop, lambda places: range(1, len(places) + 1)) > 100


def test_an_erasure_is_refused_while_a_night_is_at_work(make_settings):
    settings = make_settings()
    with shared_home(settings), pytest.raises(HomeBusyError, match="a night is running"):
        erase_user(settings, USER)
    assert not (settings.home / "erased.json").exists()


def test_what_nothing_can_be_taken_out_of_is_named(make_settings):
    settings = make_settings()
    settings.home.mkdir()
    (settings.home / "dump.bin").write_bytes(b"\xff\xfe" + USER.encode("utf-16-le") + b"\xff")
    with pytest.raises(EraseError, match=r"Found it in 1: dump\.bin"):
        erase_user(settings, USER)


def test_an_empty_id_is_refused(make_settings):
    with pytest.raises(SettingsError, match="must not be empty"):
        erase_user(make_settings(), " ")


def test_the_tombstone_does_not_hold_the_id(make_settings):
    settings = make_settings()
    erase_user(settings, USER)
    stored = json.loads((settings.home / "erased.json").read_text())
    assert len(stored["hashes"]) == 1 and USER not in json.dumps(stored, ensure_ascii=False)
    erase_user(settings, USER)
    assert json.loads((settings.home / "erased.json").read_text()) == stored
