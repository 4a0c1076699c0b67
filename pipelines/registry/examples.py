"""Example histories and lists of a few users, with titles, for people to read."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipelines.registry.bundle import PlacementBundle
from pipelines.show.document import Block, Bullets, Heading, Paragraph, Table, left, right, wrap
from pipelines.show.figures import format_figure
from pipelines.show.markdown import to_markdown

#: Positions of the example users, as shares of all users sorted by length of history.
SHARES = (0.5, 0.9, 0.99)
SHOWN = 10


def choose_examples(bundle: PlacementBundle) -> list[str]:
    """Choose users with a middling, a long and a very long history, the same on every run."""
    lengths = np.bincount(bundle.history.user, minlength=bundle.history.n_users)
    order = np.lexsort((bundle.history.user_ids, lengths))
    positions = [int(share * (len(order) - 1)) for share in SHARES] if len(order) else []
    return [str(bundle.history.user_ids[order[position]]) for position in dict.fromkeys(positions)]


def describe_lists(bundle: PlacementBundle, user_ids: list[str]) -> str:
    """Markdown on some known users: the last items of each, and the recommended list."""
    titles = bundle.catalogue.set_index("item_id")["title"]
    lists = bundle.recommend(user_ids, SHOWN)
    document: list[Block] = [Heading("Example lists", 1)]
    for user_id in user_ids:
        last = [_title(titles, item) for item in _last_items(bundle, user_id)]
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


def _last_items(bundle: PlacementBundle, user_id: str) -> list[str]:
    """Items of the user's last events, latest first."""
    position = int(np.searchsorted(bundle.history.user_ids, user_id))
    own = bundle.history.select_users(np.array([position]))
    order = np.lexsort((own.item, -own.last_event_at.astype(np.int64)))
    latest = dict.fromkeys(own.item_ids[own.item[order]].tolist())
    return list(latest)[:SHOWN]


def _title(titles: pd.Series, item_id: str) -> str:
    title = titles.get(item_id)
    known = title if isinstance(title, str) and title else "no title"
    return f"{known} ({item_id})"
