"""Timelines: seen, edited, undone, written for other editors."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from auteur_client.cli.files import Output
from auteur_client.cli.screen import Screen
from auteur_client.cli.session import AsJson, Force, free, read_json, signed_in

app = typer.Typer(no_args_is_help=True, help="See and edit timelines (EDL).")

InProject = Annotated[str, typer.Argument(metavar="PROJECT", help="Its id.")]
Version = Annotated[
    int | None, typer.Option(help="Only if the timeline is at this version; else it exits with 6.")
]


@app.command(epilog="Example: auteur edl show 5b1c… --json")
def show(project: InProject, as_json: AsJson = False) -> None:
    """Show a timeline's tracks and clips."""
    with signed_in(as_json) as (auteur, screen):
        found = auteur.request("GET", f"/projects/{project}/edl")
        screen.show(found, lambda: _print_timeline(screen, found))


@app.command(epilog="Example: auteur edl apply 5b1c… operations.json --version 7")
def apply(
    project: InProject,
    file: Annotated[Path, typer.Argument(help="A JSON list of operations; - reads them.")],
    version: Version = None,
    as_json: AsJson = False,
) -> None:
    """Make edits in order, all or none."""
    operations = read_json(file)
    if not isinstance(operations, list) or not all(isinstance(one, dict) for one in operations):
        raise typer.BadParameter(f"{file} is no list of operations.")
    with signed_in(as_json) as (auteur, screen):
        edited = auteur.edit(project, operations, version=version).to_dict()
        screen.show(edited, _edited(edited))


@app.command(epilog="Example: auteur edl undo 5b1c…")
def undo(project: InProject, version: Version = None, as_json: AsJson = False) -> None:
    """Take the last edit back."""
    _step(project, "undo", version, as_json)


@app.command(epilog="Example: auteur edl redo 5b1c…")
def redo(project: InProject, version: Version = None, as_json: AsJson = False) -> None:
    """Make the edit again that was undone last."""
    _step(project, "redo", version, as_json)


@app.command(epilog="Example: auteur edl history 5b1c…")
def history(project: InProject, as_json: AsJson = False) -> None:
    """List the edits that can be undone and redone, and who made them."""
    with signed_in(as_json) as (auteur, screen):
        found = auteur.request("GET", f"/projects/{project}/edl/history")
        rows = [
            (
                way,
                step["depth"],
                step["made_at"],
                _author(step),
                ", ".join(step["operations"] or ()),
            )
            for way in ("undo", "redo")
            for step in found[way]
        ]
        columns = ("", "depth", "made", "by", "operations")
        screen.show(found, lambda: screen.table(columns, rows))


@app.command(epilog="Example: auteur edl export 5b1c… otio -o film.otio")
def export(
    project: InProject,
    format: Annotated[Literal["otio", "fcp_xml", "cmx3600"], typer.Argument()],
    output: Output = None,
    leave_out: Annotated[
        str | None, typer.Option(help="Effects that the file may be without: `fade_in,gain`.")
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write a timeline for another editor; to standard output, or a file."""
    target = output and free(output, force)
    with signed_in(as_json) as (auteur, screen):
        query = {"format": format, **({"leave_out": leave_out} if leave_out else {})}
        answer = auteur.http.request("GET", f"/projects/{project}/edl/export", params=query)
        left_out = answer.headers.get("X-Left-Out", "")
        if left_out:
            screen.say(f"Without {left_out}")
        if target:
            target.write_bytes(answer.content)
        found = {"path": target and str(target), "left_out": left_out}
        found |= {} if target else {"text": answer.text}
        screen.show(found, str(target) if target else answer.text)


def _step(project: str, way: str, version: int | None, as_json: bool) -> None:
    with signed_in(as_json) as (auteur, screen):
        headers = {} if version is None else {"If-Match": f'"{version}"'}
        edited = auteur.request("POST", f"/projects/{project}/edl/{way}", headers=headers)
        screen.show(edited, f"{_edited(edited)}, by {_author(edited)}")


def _edited(edited: dict[str, Any]) -> str:
    return f"version {edited['version']}, {_clock(edited['duration_ms'])}"


def _author(step: dict[str, Any]) -> str:
    author = step["author"] or {}
    return str(author.get("name") or author.get("type") or "-")


def _print_timeline(screen: Screen, edl: dict[str, Any]) -> None:
    screen.line(f"version {edl['version']}")
    rows = [
        (
            track["name"],
            clip["id"],
            _clock(clip["start_ms"]),
            _clock(clip["duration_ms"]),
            clip["media_file_id"],
        )
        for track in edl["tracks"]
        for clip in sorted(track["clips"], key=lambda clip: int(clip["start_ms"]))
        if not clip["deleted"]
    ]
    screen.table(("track", "clip", "at", "length", "media"), rows)


def _clock(ms: int) -> str:
    """Minutes, seconds, milliseconds."""
    return f"{ms // 60_000}:{ms // 1000 % 60:02}.{ms % 1000:03}"
