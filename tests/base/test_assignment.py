import json
from collections import Counter
from pathlib import Path

import duckdb
import pytest

from pipelines.base.assignment import (
    ASSIGNMENT_MACROS,
    BUCKETS,
    Arm,
    assign_bucket,
    assign_variant,
    assign_weighted,
    check_experiment_id,
    layer_bucket,
    normalise_id,
)
from pipelines.base.errors import SettingsError

CASES = json.loads((Path(__file__).parent / "assignment_cases.json").read_text())
HALVES = [Arm("control", 0.5), Arm("treatment", 0.5)]


@pytest.mark.parametrize("case", CASES["assign_variant"]["cases"], ids=lambda case: str(case["in"]))
def test_golden_assignments_never_change(case):
    given = case["in"]
    variants = [str(n) for n in range(given["n_variants"])]
    assert assign_variant(given["user_id"], given["experiment_id"], variants) == str(case["out"])


@pytest.mark.parametrize("case", CASES["assign_variant_counts"]["cases"])
def test_ten_thousand_users_fall_where_they_always_did(case):
    variants = list(range(case["n_variants"]))
    found = Counter(assign_variant(str(user), "homepage", variants) for user in range(10_000))
    assert [found[variant] for variant in variants] == case["counts"]


@pytest.mark.parametrize(
    "case", CASES["assign_index_in_sql"]["cases"], ids=lambda case: str(case["in"])
)
def test_the_sql_macro_gives_the_golden_index(case):
    user_id, experiment_id = case["in"]["key"].split(":")
    with duckdb.connect() as connection:
        connection.execute(ASSIGNMENT_MACROS)
        found = connection.execute(
            "select assign_index(?, ?, ?)", [user_id, experiment_id, case["in"]["n"]]
        ).fetchall()
    assert found == [(case["out"],)]


@pytest.mark.parametrize("count", [2, 3, 5, BUCKETS])
def test_sql_and_python_agree_on_100_000_users(count):
    users = [f"kund-{n}-ä" for n in range(100_000)]
    with duckdb.connect() as connection:
        connection.execute(ASSIGNMENT_MACROS)
        found = connection.execute(
            "select assign_index(user_id, 'home_2', ?) from (select unnest(?) as user_id)",
            [count, users],
        ).fetchall()
    variants = range(count)
    assert [index for (index,) in found] == [
        assign_variant(user, "home_2", variants) for user in users
    ]


def test_buckets_and_layers_agree_between_sql_and_python():
    with duckdb.connect() as connection:
        connection.execute(ASSIGNMENT_MACROS)
        found = connection.execute(
            "select assign_bucket('u1', 'home'), layer_bucket('u1', 'search')"
        ).fetchall()
    assert found == [(assign_bucket("u1", "home"), layer_bucket("u1", "search"))]


def test_two_layers_are_independent_draws():
    # In 10,000 users, those in the lower half of both layers: a quarter, give or take 3 sigma.
    both = sum(
        layer_bucket(str(n), "a") < BUCKETS // 2 and layer_bucket(str(n), "b") < BUCKETS // 2
        for n in range(10_000)
    )
    assert abs(both - 2500) < 3 * (10_000 * 0.25 * 0.75) ** 0.5


def test_more_coverage_brings_users_in_and_moves_nobody():
    before = [assign_weighted(bucket, HALVES, coverage=0.2) for bucket in range(BUCKETS)]
    after = [assign_weighted(bucket, HALVES, coverage=0.7) for bucket in range(BUCKETS)]
    assert all(old in (None, new) for old, new in zip(before, after, strict=True))
    assert Counter(after) == {"control": 3500, "treatment": 3500, None: 3000}


def test_full_coverage_leaves_no_bucket_out_whatever_the_weights():
    thirds = [Arm("a", 1 / 3), Arm("b", 1 / 3), Arm("c", 1 / 3)]
    found = Counter(assign_weighted(bucket, thirds) for bucket in range(BUCKETS))
    assert found == {"a": 3333, "b": 3334, "c": 3333}


def test_an_arm_without_weight_gets_nobody():
    arms = [Arm("control", 1.0), Arm("off", 0.0)]
    assert {assign_weighted(bucket, arms) for bucket in range(BUCKETS)} == {"control"}


@pytest.mark.parametrize("wrong", ["", "b:c", "Home", "_a", "a" * 65, "a\n"])
def test_an_experiment_id_that_could_collide_is_refused(wrong):
    with pytest.raises(SettingsError, match="experiment's id must match"):
        check_experiment_id(wrong)


def test_an_experiment_id_of_the_right_form_is_returned():
    assert check_experiment_id("home-page_2") == "home-page_2"


def test_both_spellings_of_an_accent_are_one_user_after_the_edge():
    assert normalise_id("Zoe\u0308") == normalise_id("Zoë") == "Zo\u00eb"
