"""`recsys benchmark`: compare recommenders on anyone's own split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.base.cli import examples, json_option, settings_options
from pipelines.base.errors import BenchmarkError

if TYPE_CHECKING:
    from pipelines.base.config import Settings


@click.command(
    "benchmark",
    epilog=examples(
        "recsys benchmark --train train.txt --test test.txt --k 20,50",
        "recsys benchmark --train train.csv --test test.csv \\",
        "  --candidates popularity,ease:regularization=80 --candidates my_module:MyRecommender",
        "recsys benchmark --train train.txt --validation 0.2 \\",
        "  --candidates 'ease:regularization=80|200|500' --json",
    ),
)
@settings_options
@click.option("--train", required=True, type=click.Path(), help="Rows to learn from.")
@click.option("--test", type=click.Path(), help="Rows that should have been listed.")
@click.option(
    "--validation",
    type=float,
    help="Cut this share of each user's items from --train instead of reading --test; for tuning.",
)
@click.option("--k", "cuts", default="10,20,50", show_default=True, help="Cuts of the metrics.")
@click.option(
    "--candidates",
    multiple=True,
    help="Names of the settings, ease:regularization=80, module:Class; commas between them; "
    "a|b tries both values; repeatable [default: all of the settings].",
)
@click.option(
    "--seen",
    type=click.Choice(["exclude", "allow"]),
    default="exclude",
    show_default=True,
    help="Whether a user's own items of --train are kept out of lists and truth.",
)
@json_option
def benchmark_command(
    *,
    settings: Settings,
    train: str,
    test: str | None,
    validation: float | None,
    cuts: str,
    candidates: tuple[str, ...],
    seen: str,
    as_json: bool,
) -> None:
    """Fit recommenders on your train file and score full rankings on your test file.

    Files are Parquet or CSV with user_id, item_id and, where there are any, event_at and weight,
    or text with one line per user: user item item … Nothing is written and no home is needed.
    """
    import json

    from pipelines.benchmark.candidates import read_entries
    from pipelines.benchmark.comparison import Request, run_benchmark
    from pipelines.benchmark.tables import benchmark_document
    from pipelines.show.terminal import print_document

    if (test is None) == (validation is None):
        raise BenchmarkError(
            "Exactly one of --test and --validation must be given. "
            f"Got {'neither' if test is None else 'both'}. Tune with --validation, and report with "
            "--test."
        )
    request = Request(
        train=Path(train),
        test=None if test is None else Path(test),
        validation=validation,
        ks=parse_cuts(cuts),
        is_seen_excluded=seen == "exclude",
        confidence=settings.evaluation.confidence,
    )
    entries = read_entries(settings, candidates)
    result = run_benchmark(request, entries, lambda line: click.echo(line, err=True))
    if as_json:
        click.echo(json.dumps(result, indent=2, allow_nan=False))
    else:
        print_document(benchmark_document(result))
    if any(row["error"] is not None for row in result["candidates"]):
        raise SystemExit(1)


def parse_cuts(text: str) -> tuple[int, ...]:
    """Cuts as ascending whole numbers.

    Raises
    ------
    BenchmarkError
        If one is not a whole number of at least 1.

    Examples
    --------
    >>> parse_cuts("50,20")
    (20, 50)
    """
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdigit() and int(word) > 0 for word in words):
        raise BenchmarkError(
            f"Cuts must be whole numbers of at least 1. Got {text!r}. Write them as in --k 10,20."
        )
    return tuple(sorted({int(word) for word in words}))
