from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from pipelines.base.config import Settings
from pipelines.base.warehouse import connect
from pipelines.features.interactions import Interactions
from pipelines.features.read import read_catalogue, read_interactions, read_users
from pipelines.models.ranker.features import read_facts, read_item_facts
from pipelines.models.ranker.items import ITEM_FEATURES
from pipelines.models.ranker.pairs import PAIR_FEATURES
from pipelines.models.ranker.users import USER_FEATURES
from tests.conftest import shop_night
from tests.histories import named_facts

PURCHASES = {"purchase": 1.0}


def test_price_is_over_the_mean_of_what_the_user_chose(history_of_two: Interactions) -> None:
    assert named_facts(history_of_two, 0, 1)["price_over_user_mean"] == 3.0 / 1.0
    assert named_facts(history_of_two, 1, 1)["price_over_user_mean"] == 3.0 / 2.0


def test_facts_of_some_users_are_those_of_all(random_history: Interactions) -> None:
    everybody = read_facts(random_history, PURCHASES)
    some = read_facts(random_history.select_users(np.array([5, 9])), PURCHASES, everybody.items)
    item = np.arange(random_history.n_items)
    np.testing.assert_array_equal(
        some.read(np.ones_like(item), item), everybody.read(np.full_like(item, 9), item)
    )
    np.testing.assert_array_equal(read_item_facts(random_history, PURCHASES), everybody.items)


@pytest.mark.parametrize("weeks_before", [0, 1, 2])
def test_features_equal_the_columns_of_the_feature_tables(
    shop_after: Callable[..., Settings], weeks_before: int
) -> None:
    night = shop_after(10)
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
