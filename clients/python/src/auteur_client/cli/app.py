"""Assemble the command from its subcommands."""

from importlib.metadata import version
from typing import Annotated

import typer

from auteur_client.cli import account, edl, features, files, lists, projects
from auteur_client.mcp import commands as mcp

app = typer.Typer(
    invoke_without_command=True,
    pretty_exceptions_enable=False,  # they would print the values of variables
    help="Auteur, the back end of an AI video editor: uploads, jobs, results and edits.",
    epilog="Begin with: auteur login http://127.0.0.1:8000",
)
for module in (account, files, features, lists):
    module.register_commands(app)
app.add_typer(projects.app, name="projects")
app.add_typer(edl.app, name="edl")
app.add_typer(mcp.app, name="mcp")


def _show_version(is_requested: bool) -> None:
    if is_requested:
        typer.echo(version("auteur-client"))
        raise typer.Exit


@app.callback()
def auteur(
    ctx: typer.Context,
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Print help without a command."""
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())
