"""Files on their way to the API, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auteur_client.cli.ids import full_id
from auteur_client.cli.screen import Screen
from auteur_client.cli.session import AsJson, Force, free, signed_in
from auteur_client.cli.steps import RESUME, Steps
from auteur_client.client import Auteur
from auteur_client.jobs import results_of

if TYPE_CHECKING:
    from auteur_client.api.job_kinds import Job

FALLBACK_NAME = "download"

Film = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="A film, sound, picture.")
]
IntoProject = Annotated[
    str | None, typer.Option("--project", help="Its id; a new one of the file's name if left out.")
]
Resume = Annotated[
    bool, typer.Option(RESUME, help="Go on where the same command broke off, if it did.")
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Where the file goes.")]


def add_to(app: typer.Typer) -> None:
    """Have these commands."""
    app.command(epilog="Example: auteur upload talk.mp4 --project 5b1c…")(upload)
    app.command(epilog="Example: auteur download 9f0e… -o film.mp4")(download)


def upload(
    file: Film, project: IntoProject = None, resume: Resume = False, as_json: AsJson = False
) -> None:
    """Bring a file into a project: in parts if it is large, checked, ready."""
    with signed_in(as_json) as (auteur, screen):
        steps = Steps(auteur, screen, file, command="upload", project=project, resume=resume)
        media = steps.media()
        steps.done()
        screen.show(media.to_dict(), f"{media.id} {media.name}, in project {media.project_id}")


def download(
    media_id: Annotated[str, typer.Argument(help="Of a media file.")],
    output: Output = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Bring a media file here, whole or not at all."""
    with signed_in(as_json) as (auteur, screen):
        media_id = full_id(auteur, "media", media_id)
        target = free(output or name_of(auteur.media(media_id).name), force)
        fetch(auteur, screen, media_id, target)
        found = {"media_id": media_id, "path": str(target), "size_bytes": target.stat().st_size}
        screen.show(found, str(target))


def fetch(auteur: Auteur, screen: Screen, media_id: str, target: Path) -> None:
    """Bring it, with a bar."""
    with screen.bytes(target.name) as progress:
        auteur.download(media_id, target, on_progress=progress)


def fetch_result(auteur: Auteur, screen: Screen, job: Job, output: Path) -> list[str]:
    """Bring what a job has made; several files are told apart by numbers. Where they lie."""
    made = results_of(job)
    targets = [output]
    targets += [output.with_stem(f"{output.stem}-{number}") for number in range(2, len(made) + 1)]
    for media_id, target in zip(made, targets, strict=False):
        fetch(auteur, screen, media_id, target)
    return [str(target) for target in targets[: len(made)]]


def name_of(told: str) -> Path:
    """A media file's name as one in this folder, whatever it is made of."""
    name = "".join(c for c in told if c.isprintable() and c not in '/\\:*?"<>|').lstrip(".- ")
    return Path(name[:200] or FALLBACK_NAME)
