"""`recsys simulate`: a shop with known truth, its nights and its people."""

from __future__ import annotations

from pathlib import Path

import click

from pipelines.base.cli import examples


@click.command(
    "simulate",
    epilog=examples(
        "recsys simulate --config docs/demo/shop.toml --home var-demo --days 3",
        "recsys simulate --config docs/demo/shop.toml --home var-demo --experiment tastes --http",
    ),
)
@click.option("--home", type=click.Path(), help="A home of its own [default: of the settings].")
@click.option("--config", type=click.Path(path_type=Path), help="Settings file.", required=True)
@click.option("--users", default=2000, show_default=True, help="People of the world.")
@click.option("--items", default=300, show_default=True, help="Items of the shop.")
@click.option("--past", default=42, show_default=True, help="Days before the first night.")
@click.option("--days", default=30, show_default=True, help="Nights, and a day after each.")
@click.option("--seed", default=7, show_default=True, help="Draws the world; the same is the same.")
@click.option("--placement", default="discover", show_default=True, help="List people look at.")
@click.option("--experiment", metavar="ID", help="Start this experiment before the first night.")
@click.option("--http", "over_http", is_flag=True, help="Ask a real API process on loopback.")
def simulate_command(
    *,
    home: str | None,
    config: Path,
    users: int,
    items: int,
    past: int,
    days: int,
    seed: int,
    placement: str,
    experiment: str | None,
    over_http: bool,
) -> None:
    """Run nights and days of a simulated shop, and write the truth beside what is found.

    People have tastes and visit as often as they like. They look at a list from the top, click what
    they like, and buy at once or days later. What they do goes through the API's logs into the next
    night. `<home>/simulation/` holds what they really did, a file per day.
    """
    import logging

    from pipelines.base.config import load_settings
    from pipelines.show.terminal import print_document
    from pipelines.simulate.experiment import describe_truth, simulate_experiment
    from pipelines.simulate.loop import Simulation

    settings = load_settings(config, home)
    logging.getLogger("pipelines").setLevel(logging.WARNING)
    simulation = Simulation(
        seed=seed, n_users=users, n_items=items, past_days=past, days=days, placement=placement
    )
    report = simulate_experiment(
        settings, simulation, experiment, over_http=over_http, show=click.echo
    )
    if report is not None:
        print_document(describe_truth(settings, report))
