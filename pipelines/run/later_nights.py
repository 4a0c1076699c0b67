"""Nights run out of order: decide the later ones anew, so that the order leaves no trace."""

from __future__ import annotations

import logging
from datetime import date

from pipelines.audit.audit import audit_lists
from pipelines.base.config import Settings
from pipelines.base.warehouse import connect
from pipelines.evaluate.evaluation import evaluate_candidate
from pipelines.gate.plan import plan_candidates
from pipelines.gate.select import select_challengers
from pipelines.gate.verdicts import decide_gates
from pipelines.lists.for_users import generate_lists
from pipelines.lists.similar_items import generate_similar
from pipelines.publications.postgres import push_postgres
from pipelines.publications.publish import publish
from pipelines.registry.refit import refit_placement
from pipelines.registry.registry import promote_aliases

logger = logging.getLogger(__name__)

# For every later night and placement: the champion it started from, and the one it would start
# from now. A night's predecessor is the row of the latest earlier night of that placement.
_STALE_NIGHTS = """
with chained as (
    select
        as_of,
        previous_spec_hash,
        lag(spec_hash) over (partition by placement order by as_of) as expected_spec_hash
    from serving.champions
)
select min(as_of)
from chained
where as_of > ? and previous_spec_hash is distinct from expected_spec_hash
"""


def replay_later_nights(settings: Settings, as_of: date) -> list[str]:
    """Decide later nights again whose champion before the night is not the one they assumed.

    A night's champion comes from the night before it. When nights run as 3, 1, 2, night 3 did not
    know what 1 and 2 would decide. This repeats its gate, lists and publication from its own
    stored snapshot and evaluations, until every night follows from the one before it; the tables
    end as if the nights had run in order.

    Parameters
    ----------
    settings : Settings
    as_of : date
        The night that has just run.

    Returns
    -------
    list of str
        ISO dates of the nights that were decided again; usually empty.
    """
    replayed: list[str] = []
    after = as_of
    while (stale := _first_stale_night(settings, after)) is not None:
        logger.info("night %s assumed another champion before it: deciding it again", stale)
        _decide_again(settings, stale)
        replayed.append(stale.isoformat())
        after = stale
    if replayed:
        push_postgres(settings)  # the last of them may be the live one
    return replayed


def _first_stale_night(settings: Settings, after: date) -> date | None:
    with connect(settings) as warehouse:
        row = warehouse.execute(_STALE_NIGHTS, [after]).fetchone()
    return row[0] if row else None


def _decide_again(settings: Settings, as_of: date) -> None:
    """The second half of a night, from its stored snapshot; evaluations are not computed again."""
    for name in plan_candidates(settings, as_of):
        evaluate_candidate(settings, as_of, name)
    select_challengers(settings, as_of)
    for placement in decide_gates(settings, as_of):
        refit_placement(settings, as_of, placement)
        generate_lists(settings, as_of, placement)
    generate_similar(settings, as_of)
    audit_lists(settings, as_of)
    publish(settings, as_of)
    promote_aliases(settings, as_of)
