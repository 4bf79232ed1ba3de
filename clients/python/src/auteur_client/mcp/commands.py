"""`auteur mcp`: the server for agents, and keys for their sessions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from auteur_client.cli import config
from auteur_client.cli.session import AsJson, signed_in, told
from auteur_client.errors import AuteurError

DEFAULT_BIND = "127.0.0.1:8765"
ANY_ADDRESS = ("0.0.0.0", "::", "[::]")  # noqa: S104 - of what is no name to be asked for
MAX_CREDITS = 10_000_000

app = typer.Typer(help="Let agents edit and generate, by MCP.")


@app.callback(invoke_without_command=True, epilog="Example: auteur mcp --folder films")
def serve(
    ctx: typer.Context,
    http: Annotated[
        bool, typer.Option("--http", help="Serve streamable HTTP at /mcp, not stdio.")
    ] = False,
    bind: Annotated[str, typer.Option(help="Where HTTP is served.")] = DEFAULT_BIND,
    folder: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="Agents may read and write files below it (stdio only).",
        ),
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Tools that read, and no others.")
    ] = False,
    uncapped: Annotated[
        bool, typer.Option("--uncapped", help="Spend also without a cap on the key.")
    ] = False,
    import_hosts: Annotated[
        list[str] | None,
        typer.Option("--import-hosts", help="Import files from these hosts alone; repeat it."),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", help="A name by which HTTP is reached; repeat it."),
    ] = None,
) -> None:
    """Serve agents over stdio with one API key, or over HTTP with that of each request."""
    if ctx.invoked_subcommand:
        return
    with told(as_json=False):
        access = config.login(needs_token=not http)
        try:
            from auteur_client.mcp.access import Serving  # noqa: PLC0415
            from auteur_client.mcp.server import serve_http, serve_stdio  # noqa: PLC0415
        except ModuleNotFoundError as exc:
            raise AuteurError("It needs more: pip install 'auteur-client[mcp]'") from exc
        serving = Serving(
            url=access["url"],
            live_url=access["live_url"] or "",
            token="" if http else access["token"],
            folder=None if http else folder,
            read_only=read_only,
            uncapped=uncapped,
            import_hosts=frozenset(name.lower() for name in import_hosts or ()),
        )
        if http:
            host, port = _address(bind)
            names = [*([] if host in ANY_ADDRESS else [host]), *(allow_host or ())]
            serve_http(serving, host=host, port=port, allowed_hosts=names)
        else:
            serve_stdio(serving)


@app.command("key", epilog='Example: auteur mcp key --credits 20 --name "Agent Smith"')
def make_key(
    credits: Annotated[
        int, typer.Option(min=0, max=MAX_CREDITS, help="What the session may spend in all.")
    ] = 20,
    days: Annotated[int, typer.Option(min=1, max=365, help="How long the key is good.")] = 7,
    name: Annotated[str, typer.Option(help="The author of its edits.")] = "Agent",
    folder: Annotated[
        Path | None,
        typer.Option(
            exists=True, file_okay=False, help="The agent may read and write files below it."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make an API key for one agent's session, and print what its program wants to know.

    The key is in what it prints, and nowhere else.
    """
    from auteur_client.mcp import key  # noqa: PLC0415

    with signed_in(as_json) as (auteur, screen):
        made = key.make(auteur, name=name, credits=credits, days=days)
        told_once = key.configuration(auteur, made, folder)
        screen.show(told_once, json.dumps(told_once, indent=2))


def _address(bind: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`; raises ``typer.BadParameter``."""
    host, _, port = bind.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise typer.BadParameter(f"{bind} is not HOST:PORT.")
    return host.strip("[]"), int(port)
