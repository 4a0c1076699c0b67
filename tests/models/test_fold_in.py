"""Strong generalisation: users that `fit` never saw get lists as good as users it saw.

A recommender knows items, and users are their histories: `recommend` scores whoever it is given. So
every recommender claims it, and is held to it. Ten per cent of the users are kept out of `fit`;
their lists are scored on what they did next, and compared with the lists the same users get from
a fit that saw them. The paired difference must be zero within its interval, or smaller than the
uncertainty of the NDCG itself.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from pipelines.base.config import load_settings
from pipelines.evaluate.intervals import mean_interval, paired_interval
from pipelines.evaluate.metrics import ranking_metrics
from pipelines.models.base import Exclusion
from pipelines.models.candidates import RECOMMENDERS, candidate_spec, make_recommender
from tests.histories import history_of
from tests.models.test_base import make

ROOT = Path(__file__).parent.parent.parent
K = 10
CONFIDENCE = 0.95
#: One user in so many is held out of `fit`.
EVERY = 10
#: Too far apart for chance: half the NDCG.
MOST_LOST = 0.5


def without_held_out(history):
    """The history of the users that `fit` may see, and who is held out."""
    held_out = np.arange(history.n_users) % EVERY == 0
    return history.select_users(np.flatnonzero(~held_out)), held_out


def ndcg_of(recommender, history, relevant, exclude=None):
    lists = recommender.recommend(history, K, exclude=exclude).over(history.item_ids)
    return ranking_metrics(lists.items, relevant, [K])[f"ndcg_at_{K}"]


def compare(unseen, seen):
    """NDCG of users when held out with its interval, and the paired difference to when not."""
    return mean_interval(unseen, CONFIDENCE), paired_interval(unseen, seen, CONFIDENCE)


def is_as_good(level, difference):
    half = (level.high - level.low) / 2
    return difference.low <= 0 <= difference.high or abs(difference.value) <= half


@pytest.fixture(scope="module")
def tastes():
    """400 users of four tastes over 80 items, and the next items of each: half of them repeats.

    Tastes are not equally frequent: what is popular does not hang on who is held out. Titles say
    which taste an item is for.
    """
    rng = np.random.default_rng(23)
    rows, relevant = [], np.zeros((400, 80), dtype=bool)
    popularity = 0.85 ** np.arange(20)
    for user in range(400):
        taste = rng.choice(4, p=[0.5, 0.25, 0.15, 0.1])
        chosen = taste * 20 + rng.choice(20, 12, replace=False, p=popularity / popularity.sum())
        rows += [
            (f"u{user:03}", f"i{item:02}", "purchase", int(rng.integers(1, 60)))
            for item in chosen[:9]
        ]
        relevant[user, chosen[6:]] = True
    titles = {f"i{item:02}": f"taste{item // 20} thing{item:02}" for item in range(80)}
    history = history_of(rows, items=list(titles), titles=titles)
    return history, sparse.csr_array(relevant)


@pytest.mark.parametrize("repeats", [True, False], ids=["repeats", "new only"])
@pytest.mark.parametrize("key", sorted(RECOMMENDERS))
def test_users_held_out_of_fit_get_lists_as_good_as_users_it_saw(key, repeats, tastes):
    history, relevant = tastes
    rest, held_out = without_held_out(history)
    users = history.select_users(np.flatnonzero(held_out))
    exclude = None if repeats else Exclusion(users.pairs())
    wanted = relevant[np.flatnonzero(held_out)]
    if not repeats:
        wanted = sparse.csr_array(wanted.toarray() & ~users.pairs().toarray())

    unseen, seen = (
        ndcg_of(make(key).fit(fitted), users, wanted, exclude) for fitted in (rest, history)
    )

    level, difference = compare(unseen, seen)
    assert is_as_good(level, difference), (level, difference)


def test_a_recommender_that_only_knows_who_it_saw_is_found_out(tastes):
    """The check itself: lists that need the user's id in `fit` are not as good."""
    history, relevant = tastes
    rest, held_out = without_held_out(history)
    users = history.select_users(np.flatnonzero(held_out))
    wanted = relevant[np.flatnonzero(held_out)]
    recommender = make("ease").fit(rest)
    forgotten = replace(
        users.select_users(np.array([], dtype=int)), user_ids=np.array(users.user_ids)
    )

    unseen, seen = (ndcg_of(recommender, who, wanted) for who in (forgotten, users))

    assert not is_as_good(*compare(unseen, seen))
    assert unseen.mean() < MOST_LOST * seen.mean()


@pytest.fixture(scope="module")
def bundled_shop(tmp_path_factory):
    """The bundled shop on the night of 2011-12-09, up to its snapshot."""
    from pipelines.events.landing import land
    from pipelines.events.load import load_days
    from pipelines.features.build import build_features
    from pipelines.features.snapshot import take_snapshot

    night = date(2011, 12, 9)
    settings = load_settings(ROOT / "recsys.toml", tmp_path_factory.mktemp("home"))
    land(settings, "online-retail")
    load_days(settings, night)
    build_features(settings, night)
    take_snapshot(settings, night)
    return settings, night


@pytest.mark.prove
def test_on_the_bundled_shop_every_candidate_serves_strangers_as_well(bundled_shop):
    from pipelines.evaluate.truth import align_truth, without_excluded
    from pipelines.features.read import read_interactions, read_truth
    from pipelines.rules.exclusion import placement_exclusion

    settings, night = bundled_shop
    window = settings.night(night).gate
    history = read_interactions(settings, night, window.cutoff)
    truth = align_truth(read_truth(settings, night, window), history)
    rest, held_out = without_held_out(history)
    worse = []
    for candidate in settings.candidates:
        spec = candidate_spec(settings, candidate)
        blind, seeing = (make_recommender(spec).fit(fitted) for fitted in (rest, history))
        for placement, rules in settings.placements.items():
            if candidate.name not in settings.placement_candidates(placement):
                continue
            users = history.select_users(truth.positions)
            exclude = placement_exclusion(rules, users)
            scored, rows = without_excluded(truth, exclude, history.n_items)
            chosen = held_out[scored.positions]
            users, relevant = users.select_users(rows[chosen]), scored.relevant[chosen]
            pairs = None if exclude.pairs is None else exclude.pairs[rows[chosen]]
            unseen, seen = (
                ndcg_of(one, users, relevant, Exclusion(pairs)) for one in (blind, seeing)
            )
            level, difference = compare(unseen, seen)
            print(
                f"{placement:9} {candidate.name:20} {len(unseen):4} users: held out "
                f"{level.value:.4f} [{level.low:.4f}, {level.high:.4f}], seen {seen.mean():.4f}, "
                f"difference {difference.value:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]"
            )
            if not is_as_good(level, difference):
                worse.append((placement, candidate.name))
    assert not worse
