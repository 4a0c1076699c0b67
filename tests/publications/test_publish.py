from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import timedelta

import pytest

from pipelines.audit.audit import audit_lists
from pipelines.base.current import (
    PIN,
    POINTER,
    date_of,
    publish_lock,
    read_current,
    read_pointed,
    read_publication,
    stored_ids,
)
from pipelines.base.durable import read_json
from pipelines.base.errors import AuditError, PublicationNotFoundError, PublishLockedError
from pipelines.base.warehouse import connect
from pipelines.publications.choose import pin, unpin
from pipelines.publications.publish import publish, retained_ids

DAY = timedelta(days=1)


def tables_of(settings):
    """Sorted rows of what publishing writes in the warehouse, without the clock."""
    with connect(settings) as warehouse:
        return {
            name: sorted(warehouse.execute(f"select {columns} from serving.{name}").fetchall())
            for name, columns in {
                "recommendations": "*",
                "publications": "* exclude (generated_at)",
                "current_recommendations": "*",
            }.items()
        }


def published_ids(settings):
    return {row[0] for row in tables_of(settings)["publications"]}


def files_of(settings):
    root = settings.publications
    return {
        path.relative_to(root): (path.stat().st_mtime_ns, path.read_bytes())
        for path in root.rglob("*")
        if path.is_file() and path.name != "publish.lock"
    }


def test_a_night_becomes_live_with_its_rows_in_the_warehouse(shop, make_lists):
    night = make_lists()
    audit_lists(shop, night)
    result = publish(shop, night)
    assert (result["is_live"], result["is_new"]) == (True, True)
    assert (result["user_count"], result["row_count"]) == (12, 120)
    assert result["publication_id"] == f"{night}-{result['logical_hash'][:8]}"
    assert read_current(shop, verify=True).publication_id == result["publication_id"]
    assert len(tables_of(shop)["current_recommendations"]) == 120
    assert read_json(shop.run_folder(night).publication)["row_count"] == 120


def test_the_same_lists_again_change_no_file(shop, publish_night, night):
    publication_id = publish_night()
    before, tables = files_of(shop), tables_of(shop)
    result = publish(shop, night)
    assert (result["publication_id"], result["is_new"]) == (publication_id, False)
    assert files_of(shop) == before and tables_of(shop) == tables


def test_lists_without_a_passed_audit_are_refused(shop, make_lists):
    night = make_lists()
    with pytest.raises(AuditError, match="must pass the audit"):
        publish(shop, night)
    assert stored_ids(shop) == []


def test_an_older_night_is_stored_but_never_live(shop, publish_night, night):
    last = publish_night(night + DAY)
    older = publish_night(night)
    assert read_current(shop).publication_id == last
    assert stored_ids(shop) == [older, last] and published_ids(shop) == {older, last}


def test_an_older_night_is_live_when_forced(shop, publish_night, night):
    publish_night(night + DAY)
    older = publish_night(night, force=True)
    assert read_current(shop).publication_id == older


def test_a_pointer_that_cannot_be_read_is_repaired_by_the_newest_night_only(
    shop, publish_night, night
):
    last = publish_night(night + DAY)
    (shop.publications / POINTER).write_text("{")
    publish_night(night)
    with pytest.raises(PublicationNotFoundError):
        read_current(shop)
    publish(shop, night + DAY)
    assert read_current(shop, verify=True).publication_id == last


def test_only_the_last_nights_are_kept_on_disk_and_in_the_warehouse(shop, publish_night, night):
    ids = [publish_night(night + number * DAY) for number in range(5)]
    assert stored_ids(shop) == ids[2:] and published_ids(shop) == set(ids[2:])


def test_the_live_and_the_pinned_publication_are_always_kept(shop, publish_night, night):
    pinned = publish_night(night)
    pin(shop)
    later = [publish_night(night + number * DAY) for number in range(1, 5)]
    assert stored_ids(shop) == [pinned, *later[1:]]
    unpin(shop)
    assert retained_ids(shop, later[-1]) == set(later[1:])


def test_while_a_pointer_is_unreadable_nothing_is_dropped(shop, publish_night, night):
    ids = [publish_night(night + number * DAY) for number in range(2)]
    strict = shop.model_copy(update={"publish": shop.publish.model_copy(update={"keep": 1})})
    assert retained_ids(strict, ids[-1]) == {ids[-1]}
    (shop.publications / PIN).write_text("{")
    assert retained_ids(strict, ids[-1]) == set(ids)


def test_a_night_is_not_published_while_the_pin_is_unreadable(shop, two_nights, make_lists, night):
    audit_lists(shop, make_lists(night + 2 * DAY))
    (shop.publications / PIN).write_text("{")
    with pytest.raises(PublicationNotFoundError, match=r"PIN\.json.*recsys unpin"):
        publish(shop, night + 2 * DAY)
    assert stored_ids(shop) == list(two_nights)
    unpin(shop)
    assert publish(shop, night + 2 * DAY)["is_live"]


@pytest.mark.parametrize("name", ["serving.duckdb", "manifest.json"])
def test_a_damaged_publication_that_is_pinned_and_current_is_built_again_under_both(
    shop, two_nights, night, name
):
    before, last = two_nights
    pin(shop, before)
    for publication_id in two_nights:
        (shop.publications / publication_id / name).write_bytes(b"{}")
        as_of = date_of(publication_id)
        result = publish(shop, as_of)
        assert (result["publication_id"], result["is_new"]) == (publication_id, True)
    assert read_current(shop, verify=True).publication_id == before
    assert read_pointed(shop, POINTER, verify=True).publication_id == last


def test_other_lists_of_the_same_night_take_its_place(shop, publish_night, bought_rows, night):
    first = publish_night()
    second = publish_night(events=bought_rows[:-4])
    assert first != second and first[:10] == second[:10]
    assert stored_ids(shop) == [second] and published_ids(shop) == {second}
    assert read_current(shop).publication_id == second


def test_nights_in_any_order_leave_the_same_tables(shop, publish_night, night):
    nights = [night + number * DAY for number in range(4)]
    for as_of in nights:
        publish_night(as_of)
    in_order = tables_of(shop)
    for as_of in [nights[3], nights[0], nights[2], nights[1], nights[3]]:
        publish_night(as_of)
    assert tables_of(shop) == in_order


def test_a_damaged_publication_is_built_again(shop, publish_night, night):
    publication_id = publish_night()
    (shop.publications / publication_id / "serving.duckdb").write_bytes(b"")
    result = publish(shop, night)
    assert (result["publication_id"], result["is_new"]) == (publication_id, True)
    assert read_current(shop, verify=True).publication_id == publication_id


def test_a_second_publisher_is_refused(shop, make_lists):
    night = make_lists()
    audit_lists(shop, night)
    with publish_lock(shop), pytest.raises(PublishLockedError, match="One publisher at a time"):
        publish(shop, night)
    assert publish(shop, night)["is_new"]


EIGHT_PUBLISHERS = """
import os, sys
from pipelines.base.errors import PublishLockedError
from pipelines.run.night import call_verb
from pipelines.publications import publish as publication

read = publication.read_audited_files
until_the_others_ended, others_ended = os.pipe()


def hold(*arguments):
    os.read(until_the_others_ended, 1)
    return read(*arguments)


publication.read_audited_files = hold
for _ in range(8):
    if os.fork() == 0:
        os.close(others_ended)
        try:
            call_verb("publish", sys.argv[1])
            said = "wins"
        except PublishLockedError as error:
            said = error
        os.write(1, f"{said}\\n".encode())
        os._exit(0)
for _ in range(7):
    os.wait()
os.close(others_ended)
os.wait()
"""


def test_of_eight_publishers_at_once_one_wins_and_seven_say_locked(
    shop, shop_config, make_lists, capsys
):
    night = make_lists()
    audit_lists(shop, night)
    done = subprocess.run(
        [sys.executable, "-c", EIGHT_PUBLISHERS, str(night)],
        env={**os.environ, "RECSYS_CONFIG": str(shop_config), "RECSYS_HOME": str(shop.home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    *locked, winner = done.stdout.splitlines()
    with capsys.disabled():
        print(f"\n8 publishers at once: {done.stdout.count('wins')} wins, {len(locked)} say locked")
    assert winner == "wins" and len(locked) == 7
    assert all(line.startswith("One publisher at a time may change") for line in locked)
    assert read_current(shop, verify=True).as_of == night


HOLD_LOCK = """
import sys, time
from pathlib import Path
from pipelines.base.config import parse_settings
from pipelines.base.current import publish_lock

with publish_lock(parse_settings({"home": sys.argv[1]})):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_killed_publisher_frees_the_lock(shop, make_lists):
    night = make_lists()
    audit_lists(shop, night)
    command = [sys.executable, "-c", HOLD_LOCK, str(shop.home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(PublishLockedError, match=f"held by process {holder.pid}"):
            publish(shop, night)
        holder.kill()
    assert publish(shop, night)["is_live"]


def crash_at(monkeypatch, number):
    """Let the n-th rename of the process fail as if it had been killed there."""
    count = iter(range(1, 1000))
    replace = os.replace

    def crash(*paths):
        if next(count) == number:
            raise KeyboardInterrupt
        replace(*paths)

    monkeypatch.setattr(os, "replace", crash)


def test_a_crash_at_any_rename_shows_the_old_night_or_the_new_one_and_heals(
    shop, publish_night, make_lists, monkeypatch, tmp_path
):
    strict = shop.model_copy(update={"publish": shop.publish.model_copy(update={"keep": 1})})
    old = publish_night()
    night = read_current(shop).as_of
    audit_lists(strict, make_lists(night + DAY))
    shutil.copytree(strict.home, tmp_path / "before")
    seen = []
    for number in range(1, 50):
        shutil.rmtree(strict.home)
        shutil.copytree(tmp_path / "before", strict.home)
        if not crashes(strict, night + DAY, number, monkeypatch):
            break
        current = read_current(strict, verify=True)
        seen.append(current.publication_id)
        assert len(tables_of(strict)["current_recommendations"]) == current.manifest["row_count"]
        new = publish(strict, night + DAY)["publication_id"]
        assert read_current(strict, verify=True).publication_id == new
        assert stored_ids(strict) == [new] and published_ids(strict) == {new}
        assert not (strict.publications / "staging").exists()
    # manifest, its hash, folder, pointer; then the folder that is dropped and publication.json
    assert seen == [old, old, old, old, new, new]


def crashes(settings, as_of, number, monkeypatch):
    with monkeypatch.context() as patch:
        crash_at(patch, number)
        try:
            publish(settings, as_of)
        except KeyboardInterrupt:
            return True
    return False


def test_readers_of_an_older_duckdb_can_open_what_is_published(shop, publish_night):
    path = read_publication(shop, publish_night()).serving_path
    with connect(shop, path=path, read_only=True) as connection:
        ((tags,),) = connection.execute(
            "select tags from duckdb_databases() where database_name = 'serving'"
        ).fetchall()
    assert tags["storage_version"].startswith("v1.5.0")


def test_the_night_in_mlflow_says_what_was_published(shop, make_lists):
    from pipelines.base.tracking import parent_run_id, start_night, tracking_client

    night = make_lists()
    audit_lists(shop, night)
    start_night(shop, night)
    publication_id = publish(shop, night)["publication_id"]
    run = tracking_client(shop).get_run(parent_run_id(shop, night))
    assert run.data.tags["publication_id"] == publication_id
