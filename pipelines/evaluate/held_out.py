"""A held-out window: the histories before it, its truth, and lists scored on that truth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import sparse

from pipelines.base.config import Settings
from pipelines.base.windows import Window
from pipelines.evaluate.made_lists import made_lists
from pipelines.evaluate.metrics import CANDIDATE_RECALL, candidate_recall
from pipelines.evaluate.ndcg_parts import head_items, ndcg_parts
from pipelines.evaluate.score import per_user_table, reported_cuts
from pipelines.evaluate.truth import Truth, align_truth, without_excluded
from pipelines.features.interactions import Interactions
from pipelines.features.read import (
    read_catalogue,
    read_interactions,
    read_truth,
    read_user_attributes,
    read_users,
)
from pipelines.models.base import Exclusion, Recommender, TopN
from pipelines.models.kernels.sampling import evenly_spaced
from pipelines.rules.block_lists import ListInputs, Origin
from pipelines.rules.exclusion import placement_exclusion
from pipelines.rules.list_rules import make_list_rules

#: Most users for whom the recall of a first stage is measured.
MAX_CANDIDATE_USERS = 10_000


@dataclass(frozen=True)
class HeldOut:
    """A held-out window before any placement's rules: histories, catalogue, segments, truth.

    Parameters
    ----------
    history : Interactions
        Known before the window.
    catalogue : DataFrame or None
        One row per item_id known before the window; None where the catalogue of that time is no
        longer known, and every item counts as available.
    segments : Series of str
        Segment by user_id.
    truth : Truth
        Items that users of the history met in the window, before any placement's rule.
    people : DataFrame, optional
        One row per user_id of a users feed, as known before the window.
    """

    history: Interactions
    catalogue: pd.DataFrame | None
    segments: pd.Series
    truth: Truth
    people: pd.DataFrame | None = None

    @cached_property
    def met(self) -> sparse.csr_array:
        """Items each user met before the window: csr_array of shape (n_users, n_items), bool."""
        return self.history.pairs()


@dataclass(frozen=True)
class Scored:
    """Lists of one placement, scored on the truth of a window.

    Parameters
    ----------
    per_user : DataFrame
        What `per_user_table` returns, with `ndcg_parts` and, where it was asked for and there is a
        first stage, `candidate_recall`, NaN for users it was not measured for.
    lists : TopN
        Lists of the users of `per_user`, in its order, over the history's items.
    own : csr_array of shape (n_users, n_items), bool
        Items those users met before the window.
    left_out : dict of str to int
        Users that are not scored, by reason.
    recommend_seconds : float
        Time that ranking took.
    """

    per_user: pd.DataFrame
    lists: TopN
    own: sparse.csr_array
    left_out: dict[str, int]
    recommend_seconds: float


def read_held_out(
    settings: Settings, as_of: date, window: Window, *, truth_as_of: date | None = None
) -> HeldOut:
    """Read a window from a night's snapshot.

    Parameters
    ----------
    settings : Settings
    as_of : date
        The night; `window.cutoff` is one of its cutoffs.
    window : Window
    truth_as_of : date, optional
        A later night, whose snapshot the truth is read from; default the same night.

    Raises
    ------
    MissingSnapshotError
        If a snapshot, or the cutoff in it, is not there.
    """
    history = read_interactions(settings, as_of, window.cutoff)
    users = read_users(settings, as_of, window.cutoff)
    return HeldOut(
        history=history,
        catalogue=read_catalogue(settings, as_of, window.cutoff),
        segments=users.set_index("user_id")["segment"],
        truth=align_truth(read_truth(settings, truth_as_of or as_of, window), history),
        people=read_user_attributes(settings, as_of, window.cutoff),
    )


def read_earlier(settings: Settings, as_of: date, window: Window, *, known_by: date) -> HeldOut:
    """Read a window that ended before the night's own windows from the night's snapshot.

    Nothing that happened or landed on `known_by` or later is read, in history and truth alike; the
    days of the window lie before it.

    Raises
    ------
    MissingSnapshotError
        If the night has no snapshot.

    Notes
    -----
    Segments follow from the history as in `features.feat_users`: one active day is new,
    `features.heavy_user_days` and more is heavy. What was in stock then is no longer known, nor who
    might be shown what.
    """
    history = read_interactions(settings, as_of, window.cutoff)
    truth = read_truth(settings, as_of, window, known_by=known_by)
    return HeldOut(history, None, segments_of(settings, history), align_truth(truth, history))


def segments_of(settings: Settings, history: Interactions) -> pd.Series:
    """Segment by user_id: new with one active day, heavy from `features.heavy_user_days`."""
    days = np.unique(np.stack([history.user, history.age_days]), axis=1)[0]
    active = np.bincount(days, minlength=history.n_users)
    heavy = active >= settings.features.heavy_user_days
    names = np.select([active == 1, heavy], ["new", "heavy"], "light")
    return pd.Series(names, index=pd.Index(history.user_ids))


def score_recommender(
    settings: Settings,
    placement: str,
    recommender: Recommender,
    held_out: HeldOut,
    *,
    with_candidates: bool = False,
    origin: Origin | None = None,
) -> Scored:
    """Score the lists that a recommender, fitted before the window, makes by a placement's rules.

    Parameters
    ----------
    settings : Settings
        Placements, and the cuts of the metrics.
    placement : str
    recommender : Recommender
        Fitted on `held_out.history`.
    held_out : HeldOut
    with_candidates : bool, default False
        Whether the recall of a first stage is measured too, for at most `MAX_CANDIDATE_USERS`
        users, evenly spaced; it costs about one more ranking of those users.
    origin : Origin, optional
        Where other processes find the histories, the recommender and the placement's rules, so
        that with ``engine = "spark"`` executors make the lists.
    """
    users, truth, exclude = scored_users(settings, placement, held_out)
    rules = make_list_rules(
        settings.placements[placement], held_out.history, held_out.catalogue, held_out.people
    )
    inputs = ListInputs(recommender, None, users, exclude, rules)
    k = max(reported_cuts(settings.evaluation))
    measured = evenly_spaced(users.n_users, MAX_CANDIDATE_USERS) if with_candidates else None
    made = made_lists(inputs, k, measured, origin)
    scored = _scored(settings, held_out, made.lists, truth, made.seconds)
    if measured is None or made.candidates is None:
        return scored
    recall = np.full(users.n_users, np.nan)
    recall[measured] = candidate_recall(made.candidates, truth.relevant[measured])
    return replace(scored, per_user=scored.per_user.assign(**{CANDIDATE_RECALL: recall}))


def score_lists(settings: Settings, placement: str, lists: TopN, held_out: HeldOut) -> Scored:
    """Score lists that were made before the window; a user without one scores 0.

    The lists are sorted by user_id, one row per user served. The placement's rules decide which
    users are scored, and on which items.
    """
    users, truth, _ = scored_users(settings, placement, held_out)
    place = pd.Index(lists.user_ids).get_indexer(pd.Index(users.user_ids))
    items = np.where(place[:, None] < 0, -1, lists.items[place])
    scores = np.where(place[:, None] < 0, np.nan, lists.scores[place]).astype(np.float32)
    chosen = TopN(users.user_ids, lists.item_ids, items, scores)
    return _scored(settings, held_out, chosen, truth, 0.0)


def scored_users(
    settings: Settings, placement: str, held_out: HeldOut
) -> tuple[Interactions, Truth, Exclusion]:
    """Users a placement is scored on, with their truth and what may not be shown to them."""
    users = held_out.history.select_users(held_out.truth.positions)
    rule = placement_exclusion(
        settings.placements[placement], users, held_out.catalogue, held_out.people
    )
    truth, rows = without_excluded(held_out.truth, rule, held_out.history.n_items)
    return users.select_users(rows), truth, rule.select_users(rows)


def _scored(
    settings: Settings, held_out: HeldOut, lists: TopN, truth: Truth, seconds: float
) -> Scored:
    lists = lists.over(held_out.history.item_ids)
    evaluation, own = settings.evaluation, held_out.met[truth.positions]
    parts = ndcg_parts(lists.items, truth.relevant, own, head_items(held_out.met), evaluation.k)
    per_user = per_user_table(lists, truth, held_out.segments, evaluation, parts=parts)
    return Scored(per_user, lists, own, truth.left_out, seconds)
