from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.config import Settings, load_settings
from pipelines.events import load_days
from pipelines.features import (
    build_features,
    read_catalogue,
    read_interactions,
    read_users,
    take_snapshot,
)
from pipelines.features.interactions import Interactions
from pipelines.models.ranker_features import (
    ITEM_FEATURES,
    PAIR_FEATURES,
    USER_FEATURES,
    read_facts,
)
from pipelines.warehouse import connect
from tests.conftest import SHOP_SETTINGS, land_small_shop, shop_night

PURCHASES = {"purchase": 1.0}


def named(history: Interactions, user: int, item: int) -> dict[str, Any]:
    values = read_facts(history, PURCHASES).read(np.array([user]), np.array([item]))[0]
    names = (*ITEM_FEATURES, *USER_FEATURES, *PAIR_FEATURES)
    return dict(zip(names, values.tolist(), strict=True))


@pytest.fixture
def history(make_history: Callable[..., Interactions]) -> Interactions:
    """u takes a every ten days; v took it once, with b; the view counts nowhere."""
    return make_history(
        [
            ("u", "a", "purchase", 25, 2),
            ("u", "a", "purchase", 15),
            ("u", "a", "purchase", 5),
            ("u", "b", "view", 1),
            ("v", "a", "purchase", 40),
            ("v", "b", "purchase", 40),
        ]
    )


def test_pair_that_met_has_counts_and_times(history: Interactions) -> None:
    found = named(history, 0, 0)
    assert found["pair_purchase_count"] == 4
    assert found["pair_purchase_days"] == 3
    assert found["pair_days_since_last"] == 5
    assert found["pair_days_since_first"] == 25
    assert found["pair_gap_days"] == 10
    assert found["pair_overdue"] == 5 / 10
    assert found["pair_basket_share"] == 1.0
    assert found["pair_decayed_count_10d"] == pytest.approx(
        2 * 2**-2.5 + 2**-1.5 + 2**-0.5, rel=1e-6
    )


def test_pair_that_never_met_has_no_times(history: Interactions) -> None:
    found = named(history, 0, 1)
    assert found["pair_purchase_count"] == found["pair_purchase_days"] == 0
    assert np.isnan(found["pair_days_since_last"])


def test_item_is_counted_over_spans(history: Interactions) -> None:
    found = named(history, 1, 0)
    assert [found[f"item_purchase_count_{days}d"] for days in (3, 7, 14, 30, 60)] == [0, 1, 1, 4, 5]
    assert (found["item_user_count"], found["item_age_days"]) == (2, 40)
    assert found["item_days_since_last"] == 5
    assert found["item_repeat_share"] == 1 / 2


def test_user_is_counted_in_baskets(history: Interactions) -> None:
    found = named(history, 1, 0)
    assert (found["user_active_days"], found["user_basket_size"]) == (1, 2)
    assert np.isnan(found["user_gap_days"])
    assert named(history, 0, 0)["user_gap_days"] == 10


def test_facts_of_some_users_are_those_of_all(random_history: Interactions) -> None:
    everybody = read_facts(random_history, PURCHASES)
    some = read_facts(random_history.select_users(np.array([5, 9])), PURCHASES, everybody.items)
    item = np.arange(random_history.n_items)
    np.testing.assert_array_equal(
        some.read(np.ones_like(item), item), everybody.read(np.full_like(item, 9), item)
    )


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The small shop with the feature tables of one night."""
    settings = load_settings(SHOP_SETTINGS, tmp_path_factory.mktemp("shop"))
    land_small_shop(settings)
    load_days(settings, shop_night(10))
    build_features(settings, shop_night(10))
    take_snapshot(settings, shop_night(10))
    return settings


@pytest.mark.parametrize("weeks_before", [0, 1, 2])
def test_features_equal_the_columns_of_the_feature_tables(
    night: Settings, weeks_before: int
) -> None:
    cutoff = shop_night(10 - weeks_before)
    history = read_interactions(night, shop_night(10), cutoff)
    facts = read_facts(history, {"purchase": 1.0})
    users = read_users(night, shop_night(10), cutoff).set_index("user_id").loc[history.user_ids]
    items = read_catalogue(night, shop_night(10), cutoff).set_index("item_id")
    items = items.loc[history.item_ids]
    with connect(night, read_only=True) as warehouse:
        pairs = warehouse.execute(
            "select user_id, item_id, purchase_count, purchase_days from features.feat_user_items "
            "where cutoff_date = ? and purchase_count > 0 order by user_id, item_id",
            [cutoff],
        ).fetchdf()

    def same(name: str, names: tuple[str, ...], found: np.ndarray, table: pd.Series) -> None:
        np.testing.assert_allclose(
            found[:, names.index(name)], table.to_numpy(dtype=float), rtol=1e-6, err_msg=name
        )

    assert len(facts.pairs) == len(pairs) > 50
    for name in ("purchase_count", "purchase_days"):
        same(f"pair_{name}", PAIR_FEATURES, facts.pairs, pairs[name])
    for name, column in (
        ("user_purchase_count", "purchase_count"),
        ("user_item_count", "item_count"),
        ("user_active_days", "active_days"),
        ("user_repeat_share", "repeat_share"),
        ("user_days_since_last", "days_since_last_event"),
        ("user_days_since_first", "days_since_first_event"),
    ):
        same(name, USER_FEATURES, facts.users, users[column])
    for name, column in (
        ("item_purchase_count", "purchase_count"),
        ("item_purchase_count_14d", "purchase_count_14d"),
        ("item_purchase_count_60d", "purchase_count_60d"),
        ("item_user_count", "user_count"),
    ):
        same(name, ITEM_FEATURES, facts.items, items[column])
