"""Provide the commands `auteur edl`: show, edit, undo and export timelines."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from auteur_client.cli.files import Output
from auteur_client.cli.screen import Screen
from auteur_client.cli.session import AsJson, Force, check_target, read_json, signed_in

app = typer.Typer(no_args_is_help=True, help="Show and edit timelines (EDL).")

InProject = Annotated[str, typer.Argument(metavar="PROJECT", help="The id of the project.")]
Version = Annotated[
    int | None, typer.Option(help="Edit only this version of the timeline; otherwise exit with 6.")
]


@app.command(epilog="Example: auteur edl show 5b1c… --json")
def show(project: InProject, as_json: AsJson = False) -> None:
    """Show a timeline's tracks and clips."""
    with signed_in(as_json) as (auteur, screen):
        edl = auteur.request("GET", f"/projects/{project}/edl")
        screen.show(edl, lambda: _print_timeline(screen, edl))


@app.command(epilog="Example: auteur edl apply 5b1c… operations.json --version 7")
def apply(
    project: InProject,
    file: Annotated[
        Path, typer.Argument(help="A JSON list of operations; - reads standard input.")
    ],
    version: Version = None,
    as_json: AsJson = False,
) -> None:
    """Apply operations in order, all of them or none."""
    operations = read_json(file)
    if not isinstance(operations, list) or not all(
        isinstance(operation, dict) for operation in operations
    ):
        raise typer.BadParameter(f"{file} must contain a JSON list of operations.")
    with signed_in(as_json) as (auteur, screen):
        edited = auteur.edit(project, operations, version=version).to_dict()
        screen.show(edited, _format_edit(edited))


@app.command(epilog="Example: auteur edl undo 5b1c…")
def undo(project: InProject, version: Version = None, as_json: AsJson = False) -> None:
    """Undo the last edit."""
    _step(project, "undo", version, as_json)


@app.command(epilog="Example: auteur edl redo 5b1c…")
def redo(project: InProject, version: Version = None, as_json: AsJson = False) -> None:
    """Redo the edit that was undone last."""
    _step(project, "redo", version, as_json)


@app.command(epilog="Example: auteur edl history 5b1c…")
def history(project: InProject, as_json: AsJson = False) -> None:
    """List the edits that can be undone and redone, and who made them."""
    with signed_in(as_json) as (auteur, screen):
        steps = auteur.request("GET", f"/projects/{project}/edl/history")
        rows = [
            (
                direction,
                step["depth"],
                step["made_at"],
                _get_author(step),
                ", ".join(step["operations"] or ()),
            )
            for direction in ("undo", "redo")
            for step in steps[direction]
        ]
        columns = ("", "depth", "made", "by", "operations")
        screen.show(steps, lambda: screen.table(columns, rows))


@app.command(epilog="Example: auteur edl export 5b1c… otio -o film.otio")
def export(
    project: InProject,
    format: Annotated[Literal["otio", "fcp_xml", "cmx3600"], typer.Argument()],
    output: Output = None,
    leave_out: Annotated[
        str | None, typer.Option(help="Effects to leave out of the file, such as `fade_in,gain`.")
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Export a timeline for another editor, to standard output or a file."""
    target = output and check_target(output, force)
    with signed_in(as_json) as (auteur, screen):
        query = {"format": format, **({"leave_out": leave_out} if leave_out else {})}
        answer = auteur.http.request("GET", f"/projects/{project}/edl/export", params=query)
        omissions = answer.headers.get("X-Left-Out", "")
        if omissions:
            screen.say(f"The file leaves out: {omissions}")
        if target:
            target.write_bytes(answer.content)
        result = {"path": target and str(target), "left_out": omissions}
        result |= {} if target else {"text": answer.text}
        screen.show(result, str(target) if target else answer.text)


def _step(project: str, direction: str, version: int | None, as_json: bool) -> None:
    with signed_in(as_json) as (auteur, screen):
        headers = {} if version is None else {"If-Match": f'"{version}"'}
        edited = auteur.request("POST", f"/projects/{project}/edl/{direction}", headers=headers)
        screen.show(edited, f"{_format_edit(edited)}, by {_get_author(edited)}")


def _format_edit(edited: dict[str, Any]) -> str:
    return f"version {edited['version']}, {_format_time(edited['duration_ms'])}"


def _get_author(step: dict[str, Any]) -> str:
    author = step["author"] or {}
    return str(author.get("name") or author.get("type") or "-")


def _print_timeline(screen: Screen, edl: dict[str, Any]) -> None:
    screen.line(f"version {edl['version']}")
    rows = [
        (
            track["name"],
            clip["id"],
            _format_time(clip["start_ms"]),
            _format_time(clip["duration_ms"]),
            clip["media_file_id"],
        )
        for track in edl["tracks"]
        for clip in sorted(track["clips"], key=lambda clip: int(clip["start_ms"]))
        if not clip["deleted"]
    ]
    screen.table(("track", "clip", "at", "length", "media"), rows)


def _format_time(ms: int) -> str:
    """Return a time as minutes, seconds and milliseconds."""
    return f"{ms // 60_000}:{ms // 1000 % 60:02}.{ms % 1000:03}"
