"""`recsys publish | query | report`."""

from __future__ import annotations

from typing import Any

import click

from pipelines.base.cli import as_of_option, examples, json_option, settings_options

#: Rows of a SQL answer that a terminal shows; --json prints them all.
SHOWN_ROWS = 200


@click.command(
    epilog=examples(
        "recsys publish --as-of 2011-12-09",
        "recsys publish --as-of 2011-12-02 --force   # an older night becomes current",
    )
)
@as_of_option
@click.option("--force", is_flag=True, help="Make it current also if a later night is.")
@json_option
@settings_options
def publish_command(settings: Any, as_of: Any, force: bool, as_json: bool) -> None:
    """Refit the champions, write a night's lists, audit them, and publish if every rule holds.

    Needs the night's verdicts (`recsys gate`). Where Postgres is set, what is live is then copied
    there; if that fails, the publication stands and the exit code is 2.
    """
    from pipelines.audit.audit import audit_lists
    from pipelines.base.durable import to_json
    from pipelines.lists.for_users import generate_lists
    from pipelines.lists.similar_items import generate_similar
    from pipelines.publications.postgres import push_postgres
    from pipelines.publications.publish import describe_state, publish
    from pipelines.registry.refit import refit_placement
    from pipelines.registry.registry import promote_aliases

    for placement in settings.placements:
        refit_placement(settings, as_of, placement)
        generate_lists(settings, as_of, placement)
    generate_similar(settings, as_of)
    audit = audit_lists(settings, as_of)
    result = publish(settings, as_of, force=force)
    promote_aliases(settings, as_of)
    if as_json:
        click.echo(to_json({**result, "audit": audit}), nl=False)
    else:
        click.echo(
            f"{describe_state(result)}. {result['user_count']:,} users, "
            f"{result['row_count']:,} rows; {len(audit['rules'])} audit rules hold."
        )
    push_postgres(settings)


@click.command(
    epilog=examples(
        "recsys query --user 17841",
        "recsys query --user 17841 --placement for_you --json",
        'recsys query --sql "select * from current_recommendations limit 10"',
        'recsys query --sql "select * from publication"',
        'recsys query --warehouse --sql "from metrics.met_publications"',
    )
)
@click.option("--user", "user_id", metavar="USER_ID", help="A customer: history and lists.")
@click.option("--placement", metavar="NAME", help="With --user: only this placement.")
@click.option("--sql", metavar="SELECT", help="SQL over the live publication.")
@click.option("--warehouse", is_flag=True, help="With --sql: over the warehouse, between nights.")
@json_option
@settings_options
def query_command(
    settings: Any,
    user_id: str | None,
    placement: str | None,
    sql: str | None,
    *,
    warehouse: bool,
    as_json: bool,
) -> None:
    """Ask the live publication; answers also while a night is running.

    Tables: recommendations, fallback_recommendations, similar_items, items, models,
    publication; views: current_recommendations, explained_recommendations.
    """
    if (user_id is None) == (sql is None):
        raise click.UsageError("Give either --user or --sql. Example: recsys query --user 17841")
    if sql is not None:
        _print_sql(settings, sql, warehouse, as_json)
    else:
        _print_user(settings, str(user_id), placement, as_json)


@click.command(epilog=examples("recsys report --as-of 2011-12-09"))
@as_of_option
@json_option
@settings_options
def report_command(settings: Any, as_of: Any, as_json: bool) -> None:
    """Show what a night loaded, decided and published, and write report.md and report.json."""
    from pipelines.report.report import build_report
    from pipelines.report.report_text import report_document
    from pipelines.show.terminal import print_answer

    report = build_report(settings, as_of)
    print_answer(report, as_json, lambda: report_document(report, is_whole=False))


def _print_sql(settings: Any, sql: str, warehouse: bool, as_json: bool) -> None:
    from pipelines.ask.query import run_sql

    frame = run_sql(settings, sql, over_warehouse=warehouse)
    if as_json:
        click.echo(
            frame.to_json(orient="records", date_format="iso", double_precision=15, indent=2)
        )
        return
    from pipelines.show.document import Table, left, right
    from pipelines.show.terminal import print_document

    kinds = [right if kind.kind in "iuf" else left for kind in frame.dtypes]
    columns = [make(str(name)) for make, name in zip(kinds, frame.columns, strict=True)]
    shown = frame.head(SHOWN_ROWS).itertuples(index=False)
    hidden = len(frame) - SHOWN_ROWS
    note = f"{len(frame):,} rows" + (f", {hidden:,} not shown (--json)" if hidden > 0 else "")
    print_document(
        [Table(columns, [[_cell(value) for value in row] for row in shown], notes=[note])]
    )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _print_user(settings: Any, user_id: str, placement: str | None, as_json: bool) -> None:
    from pipelines.ask.customer_text import user_document
    from pipelines.ask.query import query_user
    from pipelines.show.terminal import print_answer

    found = query_user(settings, user_id, placement)
    print_answer(found, as_json, lambda: user_document(found))
