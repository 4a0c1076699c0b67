from __future__ import annotations

from collections import Counter

import pytest

from pipelines.base.assignment import hash_digest
from pipelines.serve.answer.ranking import Row
from pipelines.serve.answer.team_draft import draft_coin, draft_teams


def rows(items):
    return [Row(item, 1.0, "ease", "") for item in items]


def drafted(first, second, coin):
    found, teams = draft_teams(rows(first), rows(second), coin)
    return "".join(row.item_id for row in found), teams


@pytest.mark.parametrize(
    ("first", "second", "coin", "items", "teams"),
    [
        ("abc", "xyz", 0b000, "axbycz", [0, 1, 0, 1, 0, 1]),
        ("abc", "xyz", 0b001, "xabycz", [1, 0, 0, 1, 0, 1]),
        ("abc", "xyz", 0b111, "xaybzc", [1, 0, 1, 0, 1, 0]),
        ("abc", "abc", 0b10, "abc", [0, 1, 1]),
        ("abc", "bca", 0b00, "abc", [0, 1, 0]),
        ("abcd", "a", 0b1, "abcd", [1, 0, 0, 0]),
        ("", "ab", 0, "ab", [1, 1]),
        ("", "", 0, "", []),
    ],
)
def test_drafts_done_by_hand(first, second, coin, items, teams):
    assert drafted(first, second, coin) == (items, teams)


def test_every_item_is_there_once_and_no_team_is_ever_two_ahead():
    first, second = "abcdefghij", "jihgfxyzab"
    for user in range(200):
        items, teams = drafted(first, second, draft_coin(f"u{user}", "home", "p"))
        assert sorted(items) == sorted(set(first) | set(second))
        for n in range(1, 11):
            assert abs(2 * sum(teams[:n]) - n) <= 1


def test_each_team_picks_first_for_half_of_the_users():
    firsts = Counter(drafted("ab", "xy", draft_coin(f"u{n}", "e", "p"))[1][0] for n in range(4000))
    assert abs(firsts[0] - 2000) < 3 * 1000**0.5


def test_the_coin_is_the_published_hash():
    assert draft_coin("u1", "home", "2024-03-10-00000000") == hash_digest(
        "u1:home:2024-03-10-00000000"
    )


def test_lists_longer_than_the_digest_has_bits_are_drafted_to_their_end():
    first, second = ([f"{side}{n}" for n in range(150)] for side in "ab")
    found, teams = draft_teams(rows(first), rows(second), 1)
    assert len(found) == 300 and sum(teams) == 150
    assert teams[256] == 1  # round 128 tosses the first bit again
