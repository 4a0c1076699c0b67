"""`recsys publications | diff`: list stored publications, and compare two of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from pipelines.base.cli import examples, json_option, settings_options

if TYPE_CHECKING:
    from pipelines.show.document import Block


@click.command(epilog=examples("recsys publications", "recsys publications --verify --json"))
@click.option("--verify", is_flag=True, help="Compare the sha256 of every file.")
@json_option
@settings_options
def publications_command(settings: Any, verify: bool, as_json: bool) -> None:
    """List the publications on disk, oldest night first, and say which is live.

    Ends with exit code 1 if one is damaged, or a pointer names nothing sound.
    """
    from pipelines.publications.stored import list_publications
    from pipelines.show.terminal import print_answer

    found = list_publications(settings, verify=verify)
    print_answer(found, as_json, lambda: _publications_document(found))
    damages = [row["damage"] for row in found["publications"] if row["damage"]]
    for problem in () if as_json else (*found["problems"], *damages):
        click.echo(problem, err=True)
    if found["problems"] or damages:
        sys.exit(1)


@click.command(
    epilog=examples(
        "recsys diff   # what the live publication changed",
        "recsys diff 2011-12-02-0a1b2c3d live --placement discover",
        "recsys diff live current --json   # under a pin: what the newest night would change",
    )
)
@click.argument("before", metavar="[A]", default="previous")
@click.argument("after", metavar="[B]", default="live")
@click.option("--placement", metavar="NAME", help="Only this placement.")
@click.option("--items", default=10, show_default=True, help="Items named on each side.")
@json_option
@settings_options
def diff_command(
    settings: Any, before: str, after: str, *, placement: str | None, items: int, as_json: bool
) -> None:
    """Say what changed from publication A to B.

    A and B are ids, or live, previous (before the live one) or current (the newest night's).
    Shows users whose lists changed, how much of the first ten items stayed, items that entered
    and left, and rows by strategy.
    """
    from pipelines.publications.diff import diff_publications
    from pipelines.publications.diff_text import diff_document
    from pipelines.show.terminal import print_answer

    found = diff_publications(settings, before, after, placement=placement, shown_items=items)
    print_answer(found, as_json, lambda: diff_document(found))


def _publications_document(found: dict[str, Any]) -> list[Block]:
    from pipelines.show.document import Paragraph, Table, left, right, wrap
    from pipelines.show.figures import format_bytes, format_count

    if not found["publications"]:
        return [
            Paragraph("No publication is stored yet. Run a night: recsys run --as-of YYYY-MM-DD")
        ]
    rows = [
        [
            *(row["publication_id"], _state(row)),
            *(format_count(row["user_count"]), format_count(row["row_count"])),
            *(format_bytes(row["byte_count"]), row["generated_at"] or "", _soundness(row)),
            ", ".join(f"{place}: {name}" for place, name in sorted(row["models"].items())),
        ]
        for row in found["publications"]
    ]
    names = [left("publication"), left("state")]
    numbers = map(right, ("users", "rows", "size"))
    rest = [left("generated at"), left("files"), wrap("models")]
    return [Table([*names, *numbers, *rest], rows)]


def _state(row: dict[str, Any]) -> str:
    return ", ".join(name for name in ("live", "pinned", "current") if row[f"is_{name}"])


def _soundness(row: dict[str, Any]) -> str:
    return {True: "sound", False: "damaged", None: ""}[row["is_sound"]]
