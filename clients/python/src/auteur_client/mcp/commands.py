"""`auteur mcp`: the server for agents, and keys for their sessions."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from auteur_client.client import LIVE_URL, TOKEN, URL, Auteur
from auteur_client.mcp import Serving, key, serve_http, serve_stdio

app = typer.Typer(no_args_is_help=False, help="Let agents edit and generate, by MCP.")

DEFAULT_BIND = "127.0.0.1:8765"


@app.callback(invoke_without_command=True)
def serve(
    ctx: typer.Context,
    http: Annotated[bool, typer.Option(help="Serve streamable HTTP at /mcp, not stdio.")] = False,
    bind: Annotated[str, typer.Option(help="Where HTTP is served.")] = DEFAULT_BIND,
    folder: Annotated[
        Path | None, typer.Option(help="Agents may read and write files below it (stdio only).")
    ] = None,
    read_only: Annotated[bool, typer.Option(help="Tools that read, and no others.")] = False,
    uncapped: Annotated[bool, typer.Option(help="Spend also without a cap on the key.")] = False,
) -> None:
    """Serve agents over stdio, with AUTEUR_URL and AUTEUR_TOKEN (an API key) of the environment."""
    if ctx.invoked_subcommand:
        return
    url = os.environ.get(URL, "")
    if not url:
        raise typer.BadParameter(f"Set {URL}.")
    serving = Serving(
        url=url,
        live_url=os.environ.get(LIVE_URL, ""),
        token="" if http else os.environ.get(TOKEN, ""),
        folder=None if http else folder,
        read_only=read_only,
        uncapped=uncapped,
    )
    if http:
        host, _, port = bind.rpartition(":")
        serve_http(serving, host=host, port=int(port))
    else:
        serve_stdio(serving)


@app.command("key")
def make_key(
    credits: Annotated[int, typer.Option(min=0, help="What the session may spend in all.")] = 20,
    days: Annotated[int, typer.Option(min=1, max=365, help="How long the key is good.")] = 7,
    name: Annotated[str, typer.Option(help="The author of its edits.")] = "Agent",
) -> None:
    """Make an API key for one agent's session, and print what its program wants to know."""
    with Auteur() as auteur:
        made = key.make(auteur, name=name, credits=credits, days=days)
        typer.echo(json.dumps(key.configuration(auteur, made), indent=2))
