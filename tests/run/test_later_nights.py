from __future__ import annotations

import pytest

from pipelines.base.current import read_current
from pipelines.base.warehouse import connect, fingerprint_tables
from pipelines.run.later_nights import replay_later_nights
from tests.conftest import shop_night

FIRST, SECOND = shop_night(9), shop_night(10)


@pytest.fixture
def one_night(small_shop):
    return small_shop(after=(10,))


def champions(settings):
    with connect(settings, read_only=True) as warehouse:
        return warehouse.execute(
            "select as_of, placement, candidate, previous_spec_hash, spec_hash "
            "from serving.champions order by all"
        ).fetchall()


def pretend_first_night_chose(settings, spec_hash):
    """Give the week before a champion nobody knew of when the second night ran."""
    with connect(settings) as warehouse:
        warehouse.execute(
            "insert into serving.champions by name "
            "select * replace (? as as_of, ? as spec_hash, null as previous_spec_hash) "
            "from serving.champions where as_of = ?",
            [FIRST, spec_hash, SECOND],
        )


def test_nothing_is_replayed_when_no_later_night_ran(one_night):
    with connect(one_night, read_only=True) as warehouse:
        before = fingerprint_tables(warehouse)
    assert replay_later_nights(one_night, SECOND) == []
    with connect(one_night, read_only=True) as warehouse:
        assert fingerprint_tables(warehouse) == before


def test_a_night_that_assumed_another_champion_is_decided_again(one_night):
    settled = champions(one_night)
    spec_hashes = {row[1]: row[4] for row in settled}
    pretend_first_night_chose(one_night, spec_hashes["discover"])

    assert replay_later_nights(one_night, FIRST) == [SECOND.isoformat()]

    again = [row for row in champions(one_night) if row[0] == SECOND]
    assert {row[3] for row in again} == {spec_hashes["discover"]}
    assert read_current(one_night).as_of == SECOND


def test_a_second_look_finds_nothing_more_to_decide(one_night):
    (spec_hash,) = {row[4] for row in champions(one_night) if row[1] == "discover"}
    pretend_first_night_chose(one_night, spec_hash)
    replay_later_nights(one_night, FIRST)
    assert replay_later_nights(one_night, FIRST) == []
