from __future__ import annotations

import pytest

from pipelines.backtest import night as backtest_night
from pipelines.backtest.night import NightRecord, code_hash, night_keys, replay_night
from pipelines.base.errors import DataCheckError, WarehouseLockedError
from tests.conftest import SHOP_DAYS, shop_night, write_day

NIGHT = shop_night(9)
NIGHTS = [shop_night(8), NIGHT]


def night_that(monkeypatch, *, after, error=None):
    """A night of which some verbs are done, and then an error is raised."""

    def run(own, as_of, after_each):
        for verb in after:
            after_each(verb)
        print("the night's report")
        if error is not None:
            raise error

    monkeypatch.setattr(backtest_night, "run_in_a_row", run)


def test_a_night_that_stops_says_at_which_verb_and_why(make_settings, monkeypatch):
    own = make_settings()
    night_that(
        monkeypatch, after=["land_sources", "load_days"], error=DataCheckError(f"see {own.home}/x")
    )
    found = replay_night(own, NIGHT, "key")
    assert found == NightRecord(
        NIGHT, "key", "stopped", "check_events", "DataCheckError: see <home>/x"
    )
    assert found.in_words == "stopped at check_events: DataCheckError: see <home>/x"


def test_what_verbs_print_goes_to_the_log_of_the_night(make_settings, monkeypatch, capsys):
    own = make_settings()
    night_that(monkeypatch, after=[])
    assert replay_night(own, NIGHT, "key").state == "published"
    assert (own.night_log(NIGHT)).read_text() == "the night's report\n"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("error", [OSError("disk full"), WarehouseLockedError("held")])
def test_a_failure_of_the_machine_ends_the_backtest(make_settings, monkeypatch, error):
    night_that(monkeypatch, after=[], error=error)
    with pytest.raises(type(error), match=str(error)):
        replay_night(make_settings(), NIGHT, "key")


def test_a_record_is_read_back_as_it_was_written():
    record = NightRecord(NIGHT, "key", "stopped", "publish", "why")
    assert NightRecord.from_dict(record.as_dict()) == record


def test_the_same_inputs_give_the_same_keys_in_any_home(small_shop):
    assert night_keys(small_shop("one"), NIGHTS) == night_keys(small_shop("two"), NIGHTS)


def test_a_day_file_changes_the_keys_of_the_nights_that_know_it(small_shop):
    settings = small_shop()
    before = night_keys(settings, NIGHTS)
    write_day(settings, "items", shop_night(8), {"item_id": ["new"], "valid_from": [None]})
    after = night_keys(settings, NIGHTS)
    assert (after[0] == before[0], after[1] == before[1]) == (True, False)
    assert shop_night(8) < NIGHT < shop_night(SHOP_DAYS)


def test_a_night_depends_on_the_nights_before_it(small_shop):
    settings = small_shop()
    assert night_keys(settings, [NIGHT])[0] != night_keys(settings, NIGHTS)[1]


def test_a_rule_of_the_gate_changes_every_key_and_the_memory_limit_none(small_shop):
    settings = small_shop()
    gate = settings.gate.model_copy(update={"min_users": 77})
    warehouse = settings.warehouse.model_copy(update={"memory_limit": "2GB"})
    before = night_keys(settings, NIGHTS)
    assert night_keys(settings.model_copy(update={"warehouse": warehouse}), NIGHTS) == before
    assert night_keys(settings.model_copy(update={"gate": gate}), NIGHTS)[0] != before[0]


def test_a_change_in_any_source_of_a_night_changes_every_key(tmp_path):
    paths = ["pipelines/a.py", "pipelines/a/b.py", "pipelines/a/b/c.py", "dbt_project/m/x/y.sql"]
    other = ["dbt_project/target/compiled/x.sql", "tests/a.py"]
    for name in (*paths, *other):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one")
    hash_of = code_hash.__wrapped__  # each time from the files
    hashes = [hash_of(tmp_path)]
    for name in paths:
        (tmp_path / name).write_text("two")
        hashes.append(hash_of(tmp_path))
    assert len(set(hashes)) == 1 + len(paths)
    for name in other:
        (tmp_path / name).write_text("two")
    assert hash_of(tmp_path) == hashes[-1]
