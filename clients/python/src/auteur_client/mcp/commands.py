"""Provide the commands `auteur mcp`: the server for agents, and keys for their sessions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from auteur_client.cli import config
from auteur_client.cli.session import AsJson, report_errors, signed_in
from auteur_client.errors import AuteurError

DEFAULT_BIND = "127.0.0.1:8765"
ANY_ADDRESS = ("0.0.0.0", "::", "[::]")  # noqa: S104 - addresses that no client uses as a host name
MAX_CREDITS = 10_000_000

app = typer.Typer(help="Serve agents over MCP.")


@app.callback(invoke_without_command=True, epilog="Example: auteur mcp --folder films")
def serve(
    ctx: typer.Context,
    http: Annotated[
        bool, typer.Option("--http", help="Serve streamable HTTP at /mcp instead of stdio.")
    ] = False,
    bind: Annotated[str, typer.Option(help="The address to listen at with --http.")] = DEFAULT_BIND,
    folder: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="A folder in which agents may read and write files (stdio only).",
        ),
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Offer only tools that read.")
    ] = False,
    uncapped: Annotated[
        bool, typer.Option("--uncapped", help="Allow spending with a key that has no cap.")
    ] = False,
    import_hosts: Annotated[
        list[str] | None,
        typer.Option("--import-hosts", help="Import files only from this host; repeatable."),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", help="Accept requests to this host name; repeatable."),
    ] = None,
) -> None:
    """Serve agents over stdio with one API key, or over HTTP with the bearer of each request."""
    if ctx.invoked_subcommand:
        return
    with report_errors(as_json=False):
        access = config.login(needs_token=not http)
        try:
            from auteur_client.mcp.access import ServerOptions  # noqa: PLC0415
            from auteur_client.mcp.server import serve_http, serve_stdio  # noqa: PLC0415
        except ModuleNotFoundError as exc:
            raise AuteurError(
                "The MCP server needs more packages. Run: pip install 'auteur-client[mcp]'"
            ) from exc
        options = ServerOptions(
            url=access["url"],
            live_url=access["live_url"] or "",
            token="" if http else access["token"],
            folder=None if http else folder,
            read_only=read_only,
            uncapped=uncapped,
            import_hosts=frozenset(name.lower() for name in import_hosts or ()),
        )
        if http:
            host, port = _parse_address(bind)
            names = [*([] if host in ANY_ADDRESS else [host]), *(allow_host or ())]
            serve_http(options, host=host, port=port, allowed_hosts=names)
        else:
            serve_stdio(options)


@app.command("key", epilog='Example: auteur mcp key --credits 20 --name "Agent Smith"')
def make_key(
    credits: Annotated[
        int,
        typer.Option(min=0, max=MAX_CREDITS, help="The most credits that the session may spend."),
    ] = 20,
    days: Annotated[
        int, typer.Option(min=1, max=365, help="After how many days the key expires.")
    ] = 7,
    name: Annotated[str, typer.Option(help="The name of the author of its edits.")] = "Agent",
    folder: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="A folder in which the agent may read and write files.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Create an API key for one agent's session, and print the settings of its program.

    The printed settings are the only place that has the key.
    """
    from auteur_client.mcp import key  # noqa: PLC0415

    with signed_in(as_json) as (auteur, screen):
        api_key = key.create(auteur, name=name, credits=credits, days=days)
        settings = key.build_settings(auteur, api_key, folder)
        screen.show(settings, json.dumps(settings, indent=2))


def _parse_address(bind: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`; raise ``typer.BadParameter``."""
    host, _, port = bind.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise typer.BadParameter(f"{bind} is not an address. Write HOST:PORT.")
    return host.strip("[]"), int(port)
