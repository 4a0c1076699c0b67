"""What `why.explain_user` found, for a terminal of 80 or 100 columns or a plain log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from pipelines.recommend.report_customers import print_history, title_of
from pipelines.recommend.report_tables import fill, format_count, format_figure, make_table

#: Rows of a list, and removed items, that are shown unless one placement is asked for.
SHOWN_ROWS = 10
_INDENT = " " * 13


def print_why(console: Console, found: Mapping[str, Any]) -> None:
    """Print the explanation; a single placement with its whole list.

    Parameters
    ----------
    console : rich.console.Console
    found : mapping
        What `why.explain_user` returned.
    """
    live = found["publication"]
    console.print()
    console.print(
        f"[bold cyan]Customer {found['user_id']} in {live['publication_id']}[/], the night of"
        f" {live['as_of']}, written {live['generated_at']} UTC",
        soft_wrap=True,
    )
    _print_history(console, found["history"], with_last=found["item_id"] is None)
    whole = len(found["placements"]) == 1
    for name, placement in found["placements"].items():
        console.print()
        console.print(name, style="bold cyan", markup=False)
        _print_source(console, placement)
        if found["item_id"] is not None:
            _print_item(console, placement)
            continue
        _print_list(console, placement, whole)
        _print_removed(console, placement, whole)
    if found["item_id"] is None and not whole:
        console.print()
        console.print(
            "--placement NAME shows a whole list, --item ITEM_ID one item, --json everything",
            style="dim",
        )


def _print_history(console: Console, history: Mapping[str, Any], *, with_last: bool) -> None:
    if not history["is_known"]:
        console.print("The history is not known any more: the night's run folder was cleared away.")
        return
    counts = "; ".join(
        f"{row['event_count']:,} × {row['event_type']} of {row['item_count']:,} items, "
        f"{row['first_date']} to {row['last_date']}"
        for row in history["counts"]
    )
    console.print(fill(f"History: {counts or 'none'}", console.width, "  "), markup=False)
    if with_last:
        print_history(console, history["last"])


def _print_source(console: Console, placement: Mapping[str, Any]) -> None:
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
    kept = placement["kept_count"]
    lines["rules"] = "; ".join(placement["rules_in_words"])
    if kept:
        lines["rules"] += f"; {kept:,} items are kept from this user"
    if placement["unknown"]:
        lines["not known"] = f"what the rules removed: {placement['unknown']}"
    for label, text in lines.items():
        console.print(fill(f"  {label:10} {text}", console.width, _INDENT), markup=False)


def _short(value: Any) -> str:
    """A hyperparameter; those of several parts by their recommenders' names."""
    if isinstance(value, list) and all(isinstance(part, dict) for part in value):
        return "[" + ", ".join(str(part.get("recommender")) for part in value) + "]"
    return json.dumps(value)


def _print_list(console: Console, placement: Mapping[str, Any], whole: bool) -> None:
    rows = placement["list"]
    table = make_table(
        [
            *(("rank", "right"), ("item", "left"), ("title", "wrap"), ("score", "right")),
            *(("without\nrules", "right"), ("removed\nabove", "right"), ("reason", "wrap")),
        ]
    )
    shown = rows if whole else rows[:SHOWN_ROWS]
    for row in shown:
        cells = [
            *(str(row["rank"]), row["item_id"], title_of(row), format_figure(row["score"])),
            *(format_count(row["rank_without_rules"]), format_count(row["removed_above"])),
            f"{row['reason']} ({row['strategy']})",
        ]
        table.add_row(*(Text(cell) for cell in cells))
    if rows:
        console.print(table)
    _say_left(console, len(rows) - len(shown), "rows of the list")


def _print_removed(console: Console, placement: Mapping[str, Any], whole: bool) -> None:
    removed = placement["removed"]
    if not removed:
        return
    length = placement["rules"]["list_length"]
    console.print(
        fill(
            f"  Of the {length} items that the recommender alone has first, the rules removed "
            f"{len(removed)}:",
            console.width,
        )
    )
    _print_items(console, removed, whole)


def _print_items(console: Console, items: list[dict[str, Any]], whole: bool) -> None:
    """Items that are not in the list: where the recommender has them, and why they are not."""
    table = make_table(
        [("without\nrules", "right"), ("item", "left"), ("title", "wrap"), ("why not", "wrap")]
    )
    shown = items if whole else items[:SHOWN_ROWS]
    for item in shown:
        cells = [format_count(item["rank_without_rules"]), item["item_id"], title_of(item)]
        table.add_row(*(Text(cell) for cell in [*cells, _why_not(item["reasons"])]))
    console.print(table)
    _say_left(console, len(items) - len(shown), "removed items")


def _why_not(reasons: list[dict[str, Any]]) -> str:
    """Reasons in short: the rule's sentence stands above the table."""
    told = []
    for reason in reasons:
        words = reason["in_words"]
        if reason["rule"] == "exclude" and reason["events"]:
            last = reason["events"][0]
            words = f"{last['event_type']} on {last['event_date']}"
        told.append(words)
    return "; ".join(told)


def _say_left(console: Console, count: int, what: str) -> None:
    if count > 0:
        console.print(f"  … and {count:,} more {what}", style="dim", markup=False)


def _print_item(console: Console, placement: Mapping[str, Any]) -> None:
    """One item: its row or why it has none, and what was removed above it."""
    item, row = placement["item"], placement["item"]["row"]
    name = f"  {item['item_id']} {title_of(item)}".rstrip()
    free = item["rank_without_rules"]
    alone = "" if free is None else f"; the recommender alone has it at rank {free:,}"
    if row is not None:
        score = format_figure(row["score"])
        told = [
            f"{name} is at rank {row['rank']} with score {score}: {row['reason']} "
            f"({row['strategy']}){alone}"
        ]
    else:
        told = [f"{name} is not in the list{alone}"]
        told += [f"  - {reason['in_words']}" for reason in item["reasons"]]
    done = ", ".join(f"{event['event_type']} {event['event_date']}" for event in item["events"])
    told += [f"  This user and the item: {done}"] if done else []
    for line in told:
        console.print(fill(line, console.width, "    "), markup=False)
    above = item["removed_above"]
    if above:
        words = f"  Better ranked by the recommender alone, and removed by the rules: {len(above)}"
        console.print(words, markup=False)
        _print_items(console, above, whole=False)
