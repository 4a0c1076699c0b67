"""`recsys serve` and `recsys api-key`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipelines.base.cli import examples, json_option, settings_options

if TYPE_CHECKING:
    from pipelines.base.config import Settings


@click.command(
    "serve",
    epilog=examples("recsys serve", "recsys serve --port 8001 --workers 2 --home /data/shop"),
)
@settings_options
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(0, 65_535),
    help="Port to listen on; 0 for any.",
)
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(1, 64),
    help="Processes that share the address.",
)
def serve_command(settings: Settings, host: str, port: int, workers: int) -> None:
    """Answer with the lists of the live publication over HTTP until SIGTERM or Ctrl-C.

    A new publication, a pin or a rollback is live within seconds, without a restart. Without keys
    it listens on a loopback address only. A key that is taken out of serve.keys_file is refused
    within seconds; a file without keys is an error and never an open API.
    """
    from pipelines.serve.server import run_server

    def say_hello(port: int) -> None:
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        key = " -H 'X-API-Key: …'" if settings.serve.keys or settings.serve.keys_file else ""
        click.echo(f"API      {address}   (home {settings.home})")
        click.echo(f"Try      curl -s{key} '{address}/v1/recommendations/17841?n=5&dry_run=true'")
        pages = " (the password is the key)" if key else ""
        if settings.console.enabled:
            click.echo(f"Console  {address}/console{pages}")
        click.echo(f"State    {address}/readyz   Routes {address}/openapi.json   Ctrl-C stops it.")

    run_server(settings, host, port, workers, say_hello)


@click.command("api-key", epilog=examples("recsys api-key", "recsys api-key --json"))
@json_option
def api_key_command(as_json: bool) -> None:
    """Make a key for the API: it is shown once, only its hash goes into the settings."""
    import json

    from pipelines.serve.http.auth import make_key

    key, key_hash = make_key()
    if as_json:
        click.echo(json.dumps({"key": key, "sha256": key_hash}))
        return
    click.echo(f"Key, for the client (shown once):  {key}")
    click.echo(f'For recsys.toml, [serve]:          keys = ["{key_hash}"]')
