"""Two lists drafted into one, item by item, as captains pick teams."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.base.assignment import hash_digest
from pipelines.serve.answer.ranking import Row

#: Bits of the digest, each one coin toss; after this many rounds they repeat.
_BITS = 128


def draft_coin(user_id: str, experiment_id: str, publication_id: str) -> int:
    """The number whose bits toss the coins of a user's draft, the same for a whole publication."""
    return hash_digest(f"{user_id}:{experiment_id}:{publication_id}")


def draft_teams(
    first: Sequence[Row], second: Sequence[Row], coin: int
) -> tuple[list[Row], list[int]]:
    """One list of two, and the team of each of its rows.

    Parameters
    ----------
    first, second : sequence of Row
        Best first, each item once.
    coin : int
        Of `draft_coin`.

    Returns
    -------
    list of Row
        Every item of either list, once.
    list of int
        0 where the row was picked from `first`, 1 from `second`.

    Notes
    -----
    In every round each team picks the best item of its list that nobody has picked yet. Bit r of
    the coin says who picks first in round r: 0 for `first`. When one list is at its end the other
    goes on alone.

    References
    ----------
    F. Radlinski, M. Kurup, T. Joachims (2008). How Does Clickthrough Data Reflect Retrieval
    Quality? CIKM.
    """
    lists = (first, second)
    places = [0, 0]
    picked: set[str] = set()
    rows: list[Row] = []
    teams: list[int] = []
    turn = 0
    while True:
        starts = coin >> (turn % _BITS) & 1
        before = len(rows)
        for team in (starts, 1 - starts):
            row = _pick(lists[team], places, team, picked)
            if row is not None:
                rows.append(row)
                teams.append(team)
        if len(rows) == before:
            return rows, teams
        turn += 1


def _pick(rows: Sequence[Row], places: list[int], team: int, picked: set[str]) -> Row | None:
    while places[team] < len(rows):
        row = rows[places[team]]
        places[team] += 1
        if row.item_id not in picked:
            picked.add(row.item_id)
            return row
    return None
