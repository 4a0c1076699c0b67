from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.evaluate.results import Evaluation
from pipelines.gate.explain import explain, split_difference


def evaluated(name, rows, *, coverage=0.5):
    """Rows are (segment, gain of repeats in the head, of repeats in the tail, new head, new tail)."""
    gains = np.array([row[1:] for row in rows], dtype=float).reshape(len(rows), 4)
    per_user = pd.DataFrame(
        {
            "user_id": [f"u{n:03}" for n in range(len(rows))],
            "segment": [row[0] for row in rows],
            "ndcg_at_5": gains.sum(axis=1),
            "ndcg_at_5_from_repeats": gains[:, 0] + gains[:, 1],
            "ndcg_at_5_from_head": gains[:, 0] + gains[:, 2],
        }
    )
    entry = {"all": {"value": coverage, "low": None, "high": None, "user_count": len(rows)}}
    metrics = {"metrics": {"coverage_at_5": entry}}
    return Evaluation(name, "hash", {}, "for_you", "gate", per_user, metrics, None)


def split(winner, loser):
    return split_difference(winner, loser, k=5, confidence=0.95)


def why(winner, *rivals):
    return explain(winner, rivals, k=5, confidence=0.95)


WINNER = evaluated(
    "ease",
    [("heavy", 0.4, 0.1, 0.0, 0.2), ("heavy", 0.3, 0.1, 0.0, 0.1), ("new", 0.0, 0.0, 0.1, 0.0)],
    coverage=0.25,
)
LOSER = evaluated(
    "popularity",
    [("heavy", 0.1, 0.0, 0.2, 0.0), ("heavy", 0.1, 0.0, 0.1, 0.0), ("new", 0.0, 0.0, 0.3, 0.0)],
    coverage=0.01,
)


def test_each_part_is_what_it_adds_to_the_mean_difference():
    found = {part["part"]: part["contribution"] for part in split(WINNER, LOSER)["parts"]}

    assert found["heavy"] == pytest.approx((0.7 + 0.5 - 0.3 - 0.2) / 3)
    assert found["new"] == pytest.approx((0.1 - 0.3) / 3)
    assert found["repeats"] == pytest.approx((0.5 + 0.4 - 0.1 - 0.1) / 3)
    assert found["new items"] == pytest.approx((0.2 + 0.1 + 0.1 - 0.2 - 0.1 - 0.3) / 3)
    assert found["head"] == pytest.approx((0.4 + 0.3 + 0.1 - 0.3 - 0.2 - 0.3) / 3)
    assert found["tail"] == pytest.approx((0.3 + 0.2) / 3)


unit = st.floats(0, 0.25)
row = st.tuples(st.sampled_from(["new", "light", "heavy"]), unit, unit, unit, unit)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(row, row), min_size=1, max_size=40))
def test_the_parts_of_every_split_sum_to_the_difference(pairs):
    mine = evaluated("a", [one for one, _ in pairs])
    theirs = evaluated("b", [(one[0], *other[1:]) for one, other in pairs])

    found = split(mine, theirs)

    for name in ("segment", "repeats", "head"):
        parts = [part for part in found["parts"] if part["split"] == name]
        total = sum(part["contribution"] for part in parts)
        assert total == pytest.approx(found["difference"], abs=1e-12)
        gains = sum(part["winner_gain"] - part["loser_gain"] for part in parts)
        assert gains == pytest.approx(found["difference"], abs=1e-12)


def test_the_sentences_say_who_and_what_brings_the_difference():
    sentences = why(WINNER, LOSER)["sentences"]

    assert len(sentences) == 5
    assert sentences[0].startswith("It is not told apart from popularity: NDCG@5 +.1667 [")
    assert sentences[1] == (
        "By segment it comes from heavy users (2) +.2333, new users (1) −.0667; "
        "new users go the other way."
    )
    assert sentences[2] == (
        "By what was bought before: hits on items they had +.2333 (.3000 against .0667); "
        "hits on items new to them −.0667 (.1333 against .2000)."
    )
    assert sentences[3].startswith("By popularity: hits on the most popular tenth of items +.0000")
    assert sentences[4] == ("Its lists show 25% of the catalogue, those of popularity 1%.")


def test_where_repeats_are_excluded_nothing_is_said_of_them():
    new_only = [("light", 0, 0, 0.1, 0.2)] * 4
    less = [("light", 0, 0, 0.1, 0.1 + n / 100) for n in range(4)]

    sentences = why(evaluated("a", new_only), evaluated("b", less))["sentences"]

    assert not any("bought before" in sentence for sentence in sentences)
    assert sentences[0].startswith("It is above b by NDCG@5 +.0850")
    other_way = why(evaluated("b", less), evaluated("a", new_only))["sentences"]
    assert other_way[0].startswith("It is below a by NDCG@5 −.0850")


def test_every_rival_has_its_parts_and_the_first_its_words():
    third = evaluated("random", [(segment, 0, 0, 0, 0) for segment in ("heavy", "heavy", "new")])

    found = why(WINNER, LOSER, third)

    assert [one["loser"] for one in found["against"]] == ["popularity", "random"]
    assert "popularity" in found["sentences"][0]


def test_evaluations_of_other_users_or_without_parts_are_not_explained():
    fewer = evaluated("b", [("heavy", 0, 0, 0, 0)])
    older = evaluated("c", [(segment, 0, 0, 0, 0) for segment in ("heavy", "heavy", "new")])
    del older.per_user["ndcg_at_5_from_head"]

    assert why(WINNER, fewer) is None
    assert why(WINNER, older) is None
    assert why(WINNER) is None
    assert why(evaluated("a", []), evaluated("b", [])) is None
