"""Command `recsys features`: build, freeze and check the features of a night."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import click

from pipelines.base.cli import as_of_option, examples, json_option, settings_options

if TYPE_CHECKING:
    from pipelines.base.config import Settings
    from pipelines.events.expectations import CheckReport
    from pipelines.features.build_report import BuildReport


@click.command(
    epilog=examples(
        "recsys features --as-of 2011-12-09",
        "recsys features --as-of 2011-12-09 --docs",
        "recsys features --as-of 2011-12-09 --json",
    )
)
@settings_options
@as_of_option
@json_option
@click.option("--docs", is_flag=True, help="Also write dbt's documentation as one page.")
@click.option("--unit-tests", is_flag=True, help="Also run the dbt unit tests.")
def features_command(
    settings: Settings, as_of: date, as_json: bool, docs: bool, unit_tests: bool
) -> None:
    """Build the point-in-time features of a night with dbt, freeze them and check them."""
    from pipelines.features.build import build_features, generate_docs
    from pipelines.features.profile import check_features
    from pipelines.features.snapshot import take_snapshot

    built = build_features(settings, as_of, with_unit_tests=unit_tests)
    manifest = take_snapshot(settings, as_of)
    checked = check_features(settings, as_of)
    page = str(generate_docs(settings, as_of)) if docs else None
    if as_json:
        _echo_json(built, checked, manifest, page)
        return
    _echo_nodes(built)
    _echo_checks(checked)
    click.echo(f"Snapshot {manifest['content_hash'][:12]}:")
    for name, described in manifest["files"].items():
        click.echo(f"  {name:<28} {described['rows']:>12,} rows")
    click.echo(f"Checks:    {checked.page}")
    if page:
        click.echo(f"Tables:    {page}")


def _echo_json(
    built: BuildReport, checked: CheckReport, manifest: dict[str, Any], page: str | None
) -> None:
    import json

    whole = {
        "build": built.as_dict(),
        "checks": checked.as_dict(),
        "snapshot": manifest,
        "docs": page,
    }
    click.echo(json.dumps(whole, indent=2))


def _echo_nodes(built: BuildReport) -> None:
    """Print a line for each dbt model, with the number of its tests and the slowest."""
    click.echo(f"dbt build of {built.as_of} in {built.seconds:.1f} s")
    for node in built.nodes:
        if node.kind == "model":
            click.echo(f"  {node.name:<22} {node.status:<8} {node.seconds:>8.2f} s")
    checks = [node for node in built.nodes if node.kind != "model"]
    click.echo(f"  {len(checks)} tests, {sum(node.seconds for node in checks):.2f} s")
    for node in checks:
        if node.status != "pass":
            click.echo(f"  {node.status}: {node.name}: {node.message}")


def _echo_checks(checked: CheckReport) -> None:
    click.echo(f"{len(checked.results)} checks of the profile, {len(checked.warnings)} warnings")
    for result in checked.warnings:
        click.echo(f"  warning: {result.sentence()}")
