"""The explanation that `why.explain_user` returns, as a document."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.ask.customer_text import history_list, title_of
from pipelines.show.document import (
    Block,
    Bullets,
    Heading,
    Marked,
    Paragraph,
    SideBySide,
    Table,
    left,
    right,
    wrap,
)
from pipelines.show.figures import format_count, format_figure

Row = Mapping[str, Any]

#: Rows of a list, and removed items, that are shown unless one placement is asked for.
SHOWN_ROWS = 10
_MORE = "--placement NAME shows a whole list, --item ITEM_ID one item, --json everything"


def why_document(asked: Row) -> list[Block]:
    """The explanation as a document; a single placement is shown with its whole list."""
    live = asked["publication"]
    title = f"Customer {asked['user_id']} in {live['publication_id']}"
    when = f"The night of {live['as_of']}, written {live['generated_at']} UTC."
    document: list[Block] = [Heading(title), Paragraph(when)]
    document += _history_blocks(asked["history"], with_last=asked["item_id"] is None)
    shown_rows = None if len(asked["placements"]) == 1 else SHOWN_ROWS
    for name, placement in asked["placements"].items():
        document += [Heading(name), _source_table(placement)]
        if asked["item_id"] is not None:
            document += _item_blocks(placement)
        else:
            document += _list_blocks(placement["list"], shown_rows)
            document += _removed_blocks(placement, shown_rows)
    if asked["item_id"] is None and shown_rows is not None:
        document.append(Paragraph(Marked(_MORE, "quiet")))
    return document


def _history_blocks(history: Row, *, with_last: bool) -> list[Block]:
    if not history["is_known"]:
        gone = "The history is not known any more: the night's run folder was cleared away."
        return [Paragraph(gone)]
    counts = "; ".join(
        f"{row['event_count']:,} × {row['event_type']} of {row['item_count']:,} items, "
        f"{row['first_date']} to {row['last_date']}"
        for row in history["counts"]
    )
    last: list[Block] = [SideBySide([history_list(history["last"])])] if with_last else []
    return [Bullets([f"History: {counts or 'none'}"]), *last]


def _source_table(placement: Row) -> Table:
    """What wrote the list, from which specification, by which rules."""
    model = placement["model"]
    lines = {"because": placement["because"]}
    if model is not None:
        params = ", ".join(f"{key} {_short(value)}" for key, value in model["params"].items())
        weights = ", ".join(f"{kind} {value:g}" for kind, value in model["event_weights"].items())
        kind = (model["recommender_class"] or model["recommender"]).rpartition(".")[2]
        lines["written by"] = f"{model['candidate']}: {kind}({params}), event weights: {weights}"
        lines["version"] = (
            f"{model['model_version']}, specification {model['spec_hash']}, "
            f"MLflow run {model['run_id'] or 'not logged'}"
        )
    lines["rules"] = "; ".join(placement["rules_in_words"])
    if placement["kept_count"]:
        lines["rules"] += f"; {placement['kept_count']:,} items are kept from this user"
    if placement["unknown"]:
        lines["not known"] = f"what the rules removed: {placement['unknown']}"
    return Table([left(""), wrap("")], list(lines.items()))


def _short(value: Any) -> str:
    """A hyperparameter in short: of a list of parts, only the recommenders' names."""
    if isinstance(value, list) and all(isinstance(part, dict) for part in value):
        return "[" + ", ".join(str(part.get("recommender")) for part in value) + "]"
    return json.dumps(value)


def _list_blocks(rows: Sequence[Row], shown_rows: int | None) -> list[Block]:
    columns = [right("rank"), left("item"), wrap("title"), right("score")]
    columns += [right("without\nrules"), right("removed\nabove"), wrap("reason")]
    cells = [
        [
            *(str(row["rank"]), row["item_id"], title_of(row), format_figure(row["score"])),
            *(format_count(row["rank_without_rules"]), format_count(row["removed_above"])),
            f"{row['reason']} ({row['strategy']})",
        ]
        for row in rows[:shown_rows]
    ]
    notes = _left_out(len(rows) - len(cells), "rows of the list")
    return [Table(columns, cells, notes=notes)] if rows else []


def _removed_blocks(placement: Row, shown_rows: int | None) -> list[Block]:
    removed, length = placement["removed"], placement["rules"]["list_length"]
    if not removed:
        return []
    title = (
        f"Of the {length} items that the recommender alone has first, the rules removed "
        f"{len(removed)}:"
    )
    return [_items_table(title, removed, shown_rows)]


def _items_table(title: str, items: Sequence[Row], shown_rows: int | None) -> Table:
    """Items that are not in the list: where the recommender has them, and why they are not."""
    columns = [right("without\nrules"), left("item"), wrap("title"), wrap("why not")]
    cells = [
        [
            *(format_count(item["rank_without_rules"]), item["item_id"], title_of(item)),
            "; ".join(map(_why_not, item["reasons"])),
        ]
        for item in items[:shown_rows]
    ]
    notes = _left_out(len(items) - len(cells), "removed items")
    return Table(columns, cells, title=title, notes=notes)


def _why_not(reason: Row) -> str:
    """A reason in short: the rule's sentence stands above the table."""
    if reason["rule"] == "exclude" and reason["events"]:
        last = reason["events"][0]
        return f"{last['event_type']} on {last['event_date']}"
    return str(reason["in_words"])


def _left_out(count: int, what: str) -> list[str]:
    return [f"… and {count:,} more {what}"] if count > 0 else []


def _item_blocks(placement: Row) -> list[Block]:
    """One item: its row or why it has none, and what was removed above it."""
    item, row = placement["item"], placement["item"]["row"]
    name = f"{item['item_id']} {title_of(item)}".rstrip()
    free = item["rank_without_rules"]
    alone = "" if free is None else f"; the recommender alone has it at rank {free:,}"
    if row is not None:
        score = format_figure(row["score"])
        told = [
            f"{name} is at rank {row['rank']} with score {score}: {row['reason']} "
            f"({row['strategy']}){alone}"
        ]
        if item["is_in_feed"] is False:
            told.append("It is in no items feed: nothing but events is known of it")
    else:
        told = [f"{name} is not in the list{alone}"]
        told += [f"- {reason['in_words']}" for reason in item["reasons"]]
    done = ", ".join(f"{event['event_type']} {event['event_date']}" for event in item["events"])
    told += [f"This user and the item: {done}"] if done else []
    above = item["removed_above"]
    words = f"Better ranked by the recommender alone, and removed by the rules: {len(above)}"
    return [Bullets(told), *([_items_table(words, above, SHOWN_ROWS)] if above else [])]
