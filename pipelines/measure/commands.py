"""`recsys experiment plan | start | status | report | stop` and `recsys measure`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from pipelines.base.cli import as_of_option, examples, json_option, settings_options


@click.group(
    "experiment",
    epilog=examples("recsys experiment status", "recsys experiment start --help"),
)
def experiment_command() -> None:
    """Compare lists on people: plan, start, look at, and end an experiment.

    An experiment is a file experiments/<id>.toml. Once it is started it is frozen: an edited file
    is refused.
    """


@experiment_command.command(
    epilog=examples(
        "recsys experiment plan home_ease --as-of 2011-12-09",
        "recsys experiment plan home_ease --as-of 2011-12-09 --lift 0.1 --json",
    )
)
@click.argument("experiment_id")
@as_of_option
@click.option("--lift", default=0.05, show_default=True, help="Least relative lift to be found.")
@json_option
@settings_options
def plan(settings: Any, experiment_id: str, as_of: Any, lift: float, as_json: bool) -> None:
    """Say how many users an experiment needs, and how many days that is at today's traffic."""
    from pipelines.base.durable import to_json
    from pipelines.experiments.state import read_definition
    from pipelines.measure.sample_size import plan_experiment

    found = plan_experiment(settings, read_definition(settings, experiment_id), as_of, lift)
    if as_json:
        click.echo(to_json(asdict(found)), nl=False)
        return
    click.echo(
        f"{experiment_id}: a lift of {lift:.1%} on {found.metric} ({found.mean:.4g} per user, "
        f"variance {found.variance:.4g}) takes {found.users_per_arm:,} users in the smallest arm, "
        f"{found.users:,} in all.\nAt {found.users_per_day:,.0f} users a day that is "
        f"{found.days:,} days, the days to buy included."
    )
    for warning in found.warnings:
        click.echo(f"Warning: {warning}.")


@experiment_command.command(epilog=examples("recsys experiment start home_ease"))
@click.argument("experiment_id")
@settings_options
def start(settings: Any, experiment_id: str) -> None:
    """Freeze an experiment; nights from its first day on write the lists of every arm."""
    from pipelines.experiments.state import start_experiment

    experiment = start_experiment(settings, experiment_id)
    given = experiment.definition
    click.echo(
        f"{experiment_id} is frozen ({experiment.config_hash}): {given.placement}, "
        f"{given.starts} to {given.ends}. The next night publishes its arms."
    )


@experiment_command.command(
    epilog=examples("recsys experiment status", "recsys experiment status --json")
)
@json_option
@settings_options
def status(settings: Any, as_json: bool) -> None:
    """List every experiment that was started, with what became of it."""
    from pipelines.base.durable import to_json
    from pipelines.experiments.state import started_experiments

    found = started_experiments(settings)
    if as_json:
        click.echo(to_json([one.as_dict() for one in found]), nl=False)
        return
    if not found:
        click.echo(f"No experiment was started in {settings.home}.")
    for one in found:
        given = one.definition
        arms = ", ".join(f"{arm.name} {arm.weight:.0%}" for arm in given.arms)
        ended = f" on {one.stopped_on}: {one.reason}" if one.stopped_on else ""
        click.echo(
            f"{one.experiment_id}  {given.placement}  {given.starts} to {given.ends}  {arms}  "
            f"{one.status}{ended}"
        )


@experiment_command.command(
    epilog=examples(
        "recsys experiment report home_ease --as-of 2011-12-20",
        "recsys experiment report home_ease --as-of 2011-12-20 --json",
    )
)
@click.argument("experiment_id")
@as_of_option
@json_option
@settings_options
def report(settings: Any, experiment_id: str, as_of: Any, as_json: bool) -> None:
    """Analyse an experiment, store its rows, and write its page with pictures."""
    from pipelines.experiments.state import read_experiment
    from pipelines.measure.experiment_text import experiment_document
    from pipelines.measure.measure import measure_experiment
    from pipelines.show.document import Code
    from pipelines.show.terminal import print_answer

    found = measure_experiment(settings, read_experiment(settings, experiment_id), as_of)
    page = settings.experiment_report(experiment_id, as_of) / "report.html"
    said = Code(f"Page: {page}")
    print_answer(found, as_json, lambda: [*experiment_document(found), said])


@experiment_command.command(
    "off-policy",
    epilog=examples(
        "recsys experiment off-policy --placement discover --as-of 2011-12-20",
        "recsys experiment off-policy --placement discover --arm ease --as-of 2011-12-20 --json",
    ),
)
@click.option("--placement", required=True, help="List on the page.")
@click.option("--arm", default="control", show_default=True, help="Whose lists.")
@click.option("--publication", help="Lists of this one; default those of each answer's own.")
@as_of_option
@json_option
@settings_options
def off_policy(  # noqa: PLR0917  # click hands over every option by itself
    settings: Any, placement: str, arm: str, publication: str | None, as_of: Any, as_json: bool
) -> None:
    """Estimate what lists would have come to from answers that were left to chance."""
    from pipelines.measure.explored import Question, ask_off_policy, describe_off_policy
    from pipelines.show.document import Bullets
    from pipelines.show.terminal import print_answer

    found = ask_off_policy(settings, Question(placement, arm, publication), as_of)
    print_answer(found, as_json, lambda: [Bullets(describe_off_policy(found))])


@experiment_command.command(
    epilog=examples("recsys experiment stop home_ease --as-of 2011-12-20 --reason 'shipped'")
)
@click.argument("experiment_id")
@as_of_option
@click.option("--reason", required=True, help="Why; kept with the experiment.")
@settings_options
def stop(settings: Any, experiment_id: str, as_of: Any, reason: str) -> None:
    """End an experiment: from this night on everybody gets control."""
    from pipelines.experiments.state import stop_experiment

    stop_experiment(settings, experiment_id, as_of, reason)
    click.echo(f"{experiment_id} is stopped. The night of {as_of} publishes control only.")


@click.command("measure", epilog=examples("recsys measure --as-of 2011-12-20"))
@as_of_option
@settings_options
def measure_command(settings: Any, as_of: Any) -> None:
    """Analyse every experiment that is on, and end those that clearly lose."""
    from pipelines.measure.measure import measure_experiments

    found = measure_experiments(settings, as_of)
    for experiment_id in found:
        click.echo(settings.experiment_report(experiment_id, as_of) / "report.html")
    if not found:
        click.echo(f"No experiment is on before {as_of}.")
