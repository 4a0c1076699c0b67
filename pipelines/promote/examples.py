"""A few users' histories and lists with titles, for people to look at."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipelines.promote.served import ServedPlacement

#: Users are taken at these shares of the users sorted by length of history.
SHARES = (0.5, 0.9, 0.99)
SHOWN = 10


def choose_examples(served: ServedPlacement) -> list[str]:
    """User ids with a middling, a long and a very long history; the same on every run."""
    lengths = np.bincount(served.history.user, minlength=served.history.n_users)
    order = np.lexsort((served.history.user_ids, lengths))
    positions = [int(share * (len(order) - 1)) for share in SHARES] if len(order) else []
    return [str(served.history.user_ids[order[position]]) for position in dict.fromkeys(positions)]


def describe_lists(served: ServedPlacement, user_ids: list[str]) -> str:
    """Markdown: what each user did last, and what is recommended.

    Parameters
    ----------
    served : ServedPlacement
    user_ids : list of str
        Known users.

    Returns
    -------
    str
    """
    titles = served.catalogue.set_index("item_id")["title"]
    lists = served.recommend(user_ids, SHOWN)
    parts = ["# Example lists", ""]
    for user_id in user_ids:
        parts += [f"## User {user_id}", "", "Last items of the history:", ""]
        parts += [f"- {_title(titles, item)}" for item in _last_items(served, user_id)]
        parts += ["", "Recommended:", "", "| rank | item | score | strategy |", "|---|---|---|---|"]
        for row in lists[lists["user_id"] == user_id].itertuples():
            parts.append(
                f"| {row.rank} | {_title(titles, str(row.item_id))} | {row.score:.4f} "
                f"| {row.strategy} |"
            )
        parts.append("")
    return "\n".join(parts)


def _last_items(served: ServedPlacement, user_id: str) -> list[str]:
    """Items of the user's last events, latest first."""
    position = int(np.searchsorted(served.history.user_ids, user_id))
    own = served.history.select_users(np.array([position]))
    order = np.lexsort((own.item, -own.last_event_at.astype(np.int64)))
    latest = dict.fromkeys(own.item_ids[own.item[order]].tolist())
    return list(latest)[:SHOWN]


def _title(titles: pd.Series, item_id: str) -> str:
    title = titles.get(item_id)
    known = title if isinstance(title, str) and title else "no title"
    return f"{known} ({item_id})".replace("|", "/").replace("\n", " ")
