"""Leak alarms: what a recommender must not know changes nothing, or is caught."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.base.config import load_settings, parse_settings
from pipelines.evaluate.evaluation import evaluate_candidate
from pipelines.evaluate.metrics import ranking_metrics
from pipelines.evaluate.truth import align_truth
from pipelines.events.load import load_days
from pipelines.features.build import build_features
from pipelines.features.read import read_catalogue, read_interactions, read_truth, read_users
from pipelines.features.snapshot import take_snapshot
from pipelines.gate.plan import plan_candidates
from pipelines.gate.select import select_challengers
from pipelines.gate.verdicts import decide_gates
from pipelines.models.base import Exclusion, Recommender
from pipelines.models.candidates import RECOMMENDERS, recommender_class
from pipelines.models.parameters import PURCHASES_ONLY
from tests.conftest import SHOP_SETTINGS, land_small_shop, shop_night
from tests.models.test_base import make

pytestmark = pytest.mark.xdist_group("leaks")

K = 10
#: A mean this many standard errors above another's is not chance: one in 700 for a single one.
Z = 3.0
#: The night whose gate window begins on the day something is planted.
NIGHT, PLANTED = shop_night(10), shop_night(9)


def build_night(settings, night):
    load_days(settings, night)
    build_features(settings, night)
    take_snapshot(settings, night)


@pytest.fixture(scope="module")
def shop(shop_after):
    """The small shop with the snapshots of two nights, a week apart, among others."""
    return shop_after(8, 9, 10)


@pytest.fixture(scope="module")
def planted_shop(tmp_path_factory):
    """The same, but on the cutoff day everybody, and a stranger, buys one item 50 times over."""
    settings = load_settings(SHOP_SETTINGS, tmp_path_factory.mktemp("planted"))
    land_small_shop(settings)
    path = settings.landing / "events" / f"date={PLANTED}" / "shop.parquet"
    day = pq.read_table(path)
    users = [*(f"u{number:03}" for number in range(160)), "stranger"] * 50
    events = {
        "event_id": [f"planted-{number}" for number in range(len(users))],
        "event_type": ["purchase"] * len(users),
        "user_id": users,
        "item_id": ["i59"] * len(users),
        "event_at": [np.datetime64(PLANTED, "us").item()] * len(users),
    }
    pq.write_table(pa.concat_tables([day, pa.table(events, schema=day.schema)]), path)
    for night in (PLANTED, NIGHT):
        build_night(settings, night)
    return settings


# an event on the cutoff day


@pytest.mark.parametrize("night", [PLANTED, NIGHT], ids=["on the night", "a week later"])
def test_an_event_planted_on_the_cutoff_day_changes_no_feature(shop, planted_shop, night):
    for read in (read_catalogue, read_users):
        before, after = (read(home, night, PLANTED) for home in (shop, planted_shop))
        assert len(before) and before.equals(after)


@pytest.mark.parametrize("night", [PLANTED, NIGHT], ids=["on the night", "a week later"])
@pytest.mark.parametrize("key", sorted(RECOMMENDERS))
def test_an_event_planted_on_the_cutoff_day_changes_no_history_and_no_list(
    shop, planted_shop, night, key
):
    before, after = (read_interactions(home, night, PLANTED) for home in (shop, planted_shop))
    assert before.content_hash() == after.content_hash()
    lists = [make(key).fit(history).recommend(history, K) for history in (before, after)]
    assert lists[0].items.tobytes() == lists[1].items.tobytes()
    assert lists[0].scores.tobytes() == lists[1].scores.tobytes()


def test_the_planted_event_is_there_a_day_later(shop, planted_shop):
    """The alarm itself: what is planted does count from the day after its own."""
    before, after = (read_interactions(home, NIGHT, NIGHT) for home in (shop, planted_shop))
    assert after.n_users == before.n_users + 1
    assert after.event_count.sum() == before.event_count.sum() + 50 * 161


# a copied label


class LabelCopier(Recommender):
    """Knows what happens in the window after its cutoff: alone, or as one feature of several."""

    strategy = "label_copier"
    reason = "It will be chosen"
    future: Mapping = {}

    def __init__(self, *, trust: float = 1.0, event_weights: Mapping = PURCHASES_ONLY) -> None:
        self.trust = trust
        self.event_weights = event_weights

    def _fit(self, history):
        self.cutoff_ = np.array(history.cutoff.isoformat())
        self.honest_ = recommender_class("popularity")().fit(history)

    def _score(self, history):
        label = np.zeros(history.shape, dtype=np.float32)
        for user, item in self.future[str(self.cutoff_)]:
            row = np.flatnonzero(history.user_ids == user)
            column = np.flatnonzero(history.item_ids == item)
            label[np.ix_(row, column)] = 1.0
        honest = self.honest_.score(history)
        scale = np.abs(honest[np.isfinite(honest)]).max()
        return np.ascontiguousarray((1 - self.trust) * honest / scale + self.trust * label)


@pytest.mark.parametrize("trust", [1.0, 0.7], ids=["the label alone", "as one of the features"])
def test_a_copied_label_is_caught_by_the_ceiling(small_shop, monkeypatch, trust):
    shop = small_shop(after=(8, 9, 10))
    monkeypatch.setitem(RECOMMENDERS, "label_copier", f"{__name__}:LabelCopier")
    windows = shop.night(NIGHT).windows
    future = {
        window.cutoff.isoformat(): read_truth(shop, NIGHT, window).itertuples(index=False)
        for window in windows
    }
    monkeypatch.setattr(LabelCopier, "future", {day: list(rows) for day, rows in future.items()})
    copier = {"name": "copier", "recommender": "label_copier", "params": {"trust": trust}}
    values = shop.model_dump(mode="json")
    values["candidates"].append(copier)
    values["placements"]["discover"]["candidates"].append("copier")
    settings = parse_settings(
        {**values, "mlflow": {"tracking_uri": "http://127.0.0.1:9", "restart_seconds": 0}}
    )
    for name in plan_candidates(settings, NIGHT):
        evaluate_candidate(settings, NIGHT, name)

    assert set(select_challengers(settings, NIGHT).values()) == {"copier"}
    verdicts = decide_gates(settings, NIGHT)

    for verdict in verdicts.values():
        outcome = {rule["rule"]: rule for rule in verdict["rules"]}
        assert outcome["beats_champion"]["is_passed"]  # by its figures it would win
        assert outcome["ndcg_ceiling"]["is_passed"] is False
        assert "a leak is likelier" in outcome["ndcg_ceiling"]["reason"]
        assert verdict["is_promoted"] is False and verdict["champion"]["name"] != "copier"


# shuffled labels


@pytest.fixture(scope="module")
def shuffled(shop):
    """History before the gate window, and its truth: as it was, and dealt out to others."""
    window = shop.night(NIGHT).gate
    history = read_interactions(shop, NIGHT, window.cutoff)
    truth = align_truth(read_truth(shop, NIGHT, window), history)
    rng = np.random.default_rng(29)
    dealt = [truth.relevant[rng.permutation(truth.relevant.shape[0])] for _ in range(20)]
    return history, history.select_users(truth.positions), truth.relevant, dealt


def z_against_popularity(key, history, users, truths, exclude=None):
    """How many standard errors the mean NDCG stands above popularity's, paired by user.

    The mean of each user is over all `truths`.
    """
    means = []
    for one in (key, "popularity"):
        fitted = make(one).fit(history)
        items = fitted.recommend(users, K, exclude=exclude).items
        column = f"ndcg_at_{K}"
        means.append(np.mean([ranking_metrics(items, t, [K])[column] for t in truths], axis=0))
    difference = means[0] - means[1]
    spread = difference.std(ddof=1) / np.sqrt(len(difference))
    return float(difference.mean() / spread) if spread else 0.0


@pytest.mark.parametrize("repeats", [True, False], ids=["repeats", "new only"])
@pytest.mark.parametrize("key", sorted(RECOMMENDERS))
def test_shuffled_labels_bring_ndcg_to_the_level_of_popularity_or_below(key, repeats, shuffled):
    history, users, _, dealt = shuffled
    exclude = None if repeats else Exclusion(users.pairs())
    assert z_against_popularity(key, history, users, dealt, exclude) <= Z


@pytest.mark.parametrize("key", ["ease", "item_knn", "personal_frequency"])
def test_with_their_own_labels_they_are_far_above_popularity(key, shuffled):
    history, users, relevant, _ = shuffled
    assert z_against_popularity(key, history, users, [relevant]) > Z
