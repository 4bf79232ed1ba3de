"""Provide the commands `auteur projects`: list and create projects."""

from typing import Annotated

import typer

from auteur_client.cli.session import AsJson, signed_in

MAX_ROWS = 100

app = typer.Typer(help="List projects; create one with `new`.")


@app.callback(invoke_without_command=True, epilog="Example: auteur projects --search talk --json")
def projects(
    ctx: typer.Context,
    search: Annotated[
        str | None, typer.Option(help="List only projects whose name contains this text.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_ROWS, help="The most rows to list.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List projects, the newest first; create one with `new`."""
    if ctx.invoked_subcommand:
        return
    with signed_in(as_json) as (auteur, screen):
        query = {"limit": limit, **({"search": search} if search else {})}
        rows = auteur.request("GET", "/projects", params=query)["projects"]
        cells = [(row["id"], row["updated_at"], row["name"]) for row in rows]
        screen.show(rows, lambda: screen.table(("id", "changed", "name"), cells))


@app.command(epilog='Example: auteur projects new "My talk"')
def new(name: Annotated[str, typer.Argument()], as_json: AsJson = False) -> None:
    """Create an empty project and print its id."""
    with signed_in(as_json) as (auteur, screen):
        project = auteur.create_project(name)
        screen.show(project.to_dict(), str(project.id))
