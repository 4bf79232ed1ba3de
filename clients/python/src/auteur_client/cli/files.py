"""Provide the commands that upload and download files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auteur_client.cli.ids import complete_id
from auteur_client.cli.screen import Screen
from auteur_client.cli.session import AsJson, Force, check_target, signed_in
from auteur_client.cli.steps import RESUME, Steps
from auteur_client.client import Auteur
from auteur_client.jobs import list_result_ids

if TYPE_CHECKING:
    from auteur_client.api.job_kinds import Job

FALLBACK_NAME = "download"

Film = Annotated[
    Path,
    typer.Argument(exists=True, dir_okay=False, readable=True, help="A film, sound or picture."),
]
IntoProject = Annotated[
    str | None,
    typer.Option(
        "--project", help="The id of a project; by default a new one, named after the file."
    ),
]
Resume = Annotated[
    bool, typer.Option(RESUME, help="Continue the same command if it was interrupted.")
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="The file to write.")]


def register_commands(app: typer.Typer) -> None:
    """Register these commands."""
    app.command(epilog="Example: auteur upload talk.mp4 --project 5b1c…")(upload)
    app.command(epilog="Example: auteur download 9f0e… -o film.mp4")(download)


def upload(
    file: Film, project: IntoProject = None, resume: Resume = False, as_json: AsJson = False
) -> None:
    """Upload a file into a project, large ones in parts, and wait for its check."""
    with signed_in(as_json) as (auteur, screen):
        steps = Steps(auteur, screen, file, command="upload", project=project, resume=resume)
        media = steps.media()
        steps.done()
        screen.show(media.to_dict(), f"{media.id} {media.name}, in project {media.project_id}")


def download(
    media_id: Annotated[
        str, typer.Argument(help="The id of a media file, or the beginning of it.")
    ],
    output: Output = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Download a media file."""
    with signed_in(as_json) as (auteur, screen):
        media_id = complete_id(auteur, "media", media_id)
        target = check_target(output or build_file_name(auteur.media(media_id).name), force)
        fetch(auteur, screen, media_id, target)
        result = {"media_id": media_id, "path": str(target), "size_bytes": target.stat().st_size}
        screen.show(result, str(target))


def fetch(auteur: Auteur, screen: Screen, media_id: str, target: Path) -> None:
    """Download a media file and show its progress."""
    with screen.bytes(target.name) as progress:
        auteur.download(media_id, target, on_progress=progress)


def fetch_result(auteur: Auteur, screen: Screen, job: Job, output: Path) -> list[str]:
    """Download the outputs of a job, numbered if there are several; return their paths."""
    media_ids = list_result_ids(job)
    targets = [output]
    targets += [
        output.with_stem(f"{output.stem}-{number}") for number in range(2, len(media_ids) + 1)
    ]
    for media_id, target in zip(media_ids, targets, strict=False):
        fetch(auteur, screen, media_id, target)
    return [str(target) for target in targets[: len(media_ids)]]


def build_file_name(text: str) -> Path:
    """Return a safe file name in this folder for the name of a media file."""
    name = "".join(c for c in text if c.isprintable() and c not in '/\\:*?"<>|').lstrip(".- ")
    return Path(name[:200] or FALLBACK_NAME)
