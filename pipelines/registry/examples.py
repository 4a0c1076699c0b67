"""Example histories and lists of a few users, with titles, for people to read."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipelines.registry.bundle import ServedPlacement
from pipelines.show.document import Block, Bullets, Heading, Paragraph, Table, left, right, wrap
from pipelines.show.figures import format_figure
from pipelines.show.markdown import to_markdown

#: Positions of the example users, as shares of all users sorted by length of history.
SHARES = (0.5, 0.9, 0.99)
SHOWN = 10


def choose_examples(served: ServedPlacement) -> list[str]:
    """Choose users with a middling, a long and a very long history, the same on every run."""
    lengths = np.bincount(served.history.user, minlength=served.history.n_users)
    order = np.lexsort((served.history.user_ids, lengths))
    positions = [int(share * (len(order) - 1)) for share in SHARES] if len(order) else []
    return [str(served.history.user_ids[order[position]]) for position in dict.fromkeys(positions)]


def describe_lists(served: ServedPlacement, user_ids: list[str]) -> str:
    """Markdown on some known users: the last items of each, and the recommended list."""
    titles = served.catalogue.set_index("item_id")["title"]
    lists = served.recommend(user_ids, SHOWN)
    document: list[Block] = [Heading("Example lists", 1)]
    for user_id in user_ids:
        last = [_title(titles, item) for item in _last_items(served, user_id)]
        rows = [
            [
                *(str(row.rank), _title(titles, str(row.item_id))),
                *(format_figure(float(str(row.score))), str(row.strategy)),
            ]
            for row in lists[lists["user_id"] == user_id].itertuples()
        ]
        columns = [right("rank"), wrap("item"), right("score"), left("strategy")]
        document += [Heading(f"User {user_id}"), Paragraph("Last items of the history:")]
        document += [Bullets(last), Paragraph("Recommended:"), Table(columns, rows)]
    return to_markdown(document)


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
    return f"{known} ({item_id})"
