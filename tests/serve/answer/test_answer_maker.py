from __future__ import annotations

import pytest

from pipelines.serve.answer.answer_maker import FILLED_REASON, AnswerMaker, Wish
from pipelines.serve.answer.list_store import ListStore
from pipelines.serve.log.recent import SECONDS_A_DAY, RecentEvent
from tests.serve.publications import RULES, packed, publish_by_hand

TODAY = 19_792  # 2024-03-10


@pytest.fixture
def ask(make_settings, content):
    """AnswerRows an answer over a publication; keywords are parts of the question."""
    stores = []

    def make(given=None, *, user="u1", recent=(), events=(), stock=None, item=None, **wish):
        publication = publish_by_hand(
            make_settings(), given or content(), tag=f"{len(stores):08}", make_live=False
        )
        stores.append(ListStore.open(publication))
        values = {
            "n": 5,
            "placement": "discover",
            "category": None,
            "is_strict": False,
            "exclude": (),
            "request_id": "r",
        }
        maker = AnswerMaker(
            stores[-1], Wish(**{**values, **wish}), events, TODAY, (stock or {}).get
        )
        return maker.for_user(user, recent) if item is None else maker.for_item(item)

    yield make
    for store in stores:
        store.close()


def names(found):
    return "".join(row.item_id for row in found.rows)


def did(item, kind="purchase", days_ago=0):
    return RecentEvent(item, kind, (TODAY - days_ago) * SECONDS_A_DAY + 3600.0)


def rules(**changes):
    return {"discover": {**RULES, **changes}}


def test_a_known_user_gets_the_batchs_list(ask):
    found = ask()
    assert (names(found), found.source, found.warnings) == ("abcde", "personal", [])
    assert found.model_version == "ease-abc"


def test_what_was_bought_asked_away_or_sold_out_since_is_not_shown(ask):
    found = ask(events=[did("a")], exclude=("c",), stock={"b": False})
    assert names(found) == "defgh"


@pytest.mark.parametrize(
    ("changes", "event", "expected"),
    [
        ({"exclude": "none"}, did("a"), "abcde"),
        ({"exclude": ["purchase"]}, did("a", "view"), "abcde"),
        ({"exclude": ["purchase"]}, did("a"), "bcdef"),
        ({"exclude": "all"}, did("a", "view"), "bcdef"),
        ({"exclude": "all"}, did("a", "impression"), "abcde"),
        ({"exclude": "all", "exclude_within_days": 2}, did("a", days_ago=1), "bcdef"),
        ({"exclude": "all", "exclude_within_days": 1}, did("a", days_ago=1), "abcde"),
    ],
)
def test_events_since_the_batch_count_by_the_placements_rule(
    ask, content, changes, event, expected
):
    assert names(ask(content(placements=rules(**changes)), events=[event])) == expected


def test_a_short_list_is_completed_without_what_the_night_kept_from_the_user(ask):
    found = ask(n=12)
    assert names(found) == "abcdefghijlm"  # k is popular, and excluded for u1
    assert found.warnings == ["back_filled"]
    assert found.rows[-1].reason == FILLED_REASON
    scores = [row.score for row in found.rows]
    assert scores == sorted(scores, reverse=True)


def test_a_strict_list_stays_short(ask):
    found = ask(n=12, is_strict=True)
    assert (names(found), found.warnings) == ("abcdefghij", ["short_list"])


def test_a_stranger_gets_the_popular_list(ask):
    found = ask(user="nobody")
    assert (names(found), found.source) == ("klmno", "popular")


def test_a_stranger_who_asks_for_a_category_gets_its_list(ask):
    found = ask(user="nobody", category="tea")
    assert (names(found), found.source) == ("acegi", "segment")
    found = ask(user="nobody", category="cup")  # has no list of its own
    assert (names(found), found.source) == ("lnpr", "popular")
    assert found.warnings == ["short_list"]


def test_a_known_user_gets_their_own_items_of_a_category_first(ask):
    assert names(ask(category="tea", n=7)) == "acegimo"  # k is excluded


def test_recent_items_lead_a_stranger_to_items_like_them(ask):
    found = ask(user="nobody", recent=("e", "a"), n=6)
    # newest is a: b c d; then e: c f (t is out of stock); c has both
    assert names(found) == "cbdfkl"
    assert (found.source, found.model_version) == ("recent", "item_knn")
    assert found.warnings == ["back_filled"]


def test_a_strangers_own_events_are_recent_items_too(ask):
    events = [did("e", "view"), did("a", "view"), did("k", "return"), did("k", "impression")]
    events.append(did("k", "low_view"))
    found = ask(user="nobody", events=events, n=3)
    assert (names(found), found.source) == ("cbd", "recent")


def test_recent_items_that_nothing_is_like_lead_to_the_popular_list(ask):
    found = ask(user="nobody", recent=("zz",))
    assert (names(found), found.source) == ("klmno", "popular")


def test_a_list_that_the_batch_took_from_the_fallback_is_called_popular(ask, content):
    own = packed("ab", "popularity", "fallback: no history that ease can learn from")
    given = content(lists={("discover", "u1"): own})
    assert ask(given, n=2).source == "popular"
    assert ask(given, n=2, recent=("a",)).source == "recent"
    segment = packed("ab", "segment_popularity", "Popular with people like you")
    assert ask(content(lists={("discover", "u1"): segment}), n=2).source == "segment"


def test_pins_hold_and_are_put_in_again_after_filtering(ask, content):
    own = packed("abcdefghij")
    own["labels"] = [
        {"from_rank": 1, "strategy": "ease", "reason": "own"},
        {"from_rank": 3, "strategy": "pinned", "reason": "Placed at this rank by the shop"},
        {"from_rank": 4, "strategy": "ease", "reason": "own"},
    ]
    given = content(
        lists={("discover", "u1"): own},
        placements=rules(pinned=[{"item_id": "c", "rank": 3}, {"item_id": "t", "rank": 1}]),
    )
    found = ask(given, events=[did("a")])
    assert names(found) == "bdcef"
    assert [row.strategy for row in found.rows] == ["ease", "ease", "pinned", "ease", "ease"]
    assert names(ask(given, events=[did("c")])) == "abdef"
    assert names(ask(given, user="nobody")) == "klcmn"  # t is out of stock, so not pinned


def test_a_pin_that_the_night_kept_from_a_user_stays_away(ask, content):
    given = content(
        exclusions={("discover", "u2"): ["q"]},
        placements=rules(pinned=[{"item_id": "q", "rank": 1}]),
    )
    assert names(ask(given, user="u2")) == "klmno"
    assert names(ask(given, user="nobody")) == "qklmn"
    assert names(ask(given)) == "abcde"  # it is not in u1's list, so the batch kept it away


def test_the_category_cap_holds_after_filtering(ask, content):
    given = content(placements=rules(max_per_category=2, rerank_depth=4))
    assert names(ask(given)) == "abcde"
    # without b the first four would be a c d e: three of tea
    assert names(ask(given, events=[did("b")], n=6)) == "acdfeg"


def test_a_list_that_nothing_left_keeps_the_order_of_the_night(ask, content):
    # the night completes a capped list with whatever is left, which may be over the cap
    assert names(ask(content(placements=rules(max_per_category=1, rerank_depth=4)))) == "abcde"


def test_items_like_one(ask):
    found = ask(item="a", n=3)
    assert (names(found), found.source, found.warnings) == ("bcd", "similar", [])
    assert names(ask(item="e", n=3, is_strict=True)) == "cf"  # t is out of stock


def test_an_item_that_nothing_is_like_gets_the_list_of_its_category(ask):
    found = ask(item="g", n=3)
    assert (names(found), found.source) == ("ace", "segment")
    assert found.warnings == ["unknown_item"]
    found = ask(item="unheard-of", n=3)
    assert (names(found), found.source) == ("klm", "popular")


def test_a_placement_without_any_list_answers_nothing(ask, content):
    found = ask(content(fallbacks={}), user="nobody")
    assert (found.rows, found.source, found.warnings) == ([], "popular", ["short_list"])
