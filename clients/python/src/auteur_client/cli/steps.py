"""A file's way to a result: each step is noted before it is made, so that it is made once."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auteur_client.api.models import Media
from auteur_client.cli.config import Unfinished
from auteur_client.cli.screen import Screen
from auteur_client.cli.session import again_with
from auteur_client.client import Auteur
from auteur_client.errors import JobFailedError, ProblemError, UploadRejectedError

if TYPE_CHECKING:
    from auteur_client.api.job_kinds import FeatureName, Job

RESUME = "--resume"
REFUSED_FILE = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
}
"""Answers to the beginning of an upload that no other try would change."""


class Steps:
    """Project, upload and job of one file; with ``resume`` they go on where they broke off."""

    def __init__(
        self,
        auteur: Auteur,
        screen: Screen,
        file: Path,
        *,
        command: str,
        project: str | None,
        resume: bool,
    ) -> None:
        self._auteur = auteur
        self._screen = screen
        self._file = file
        self._noted = Unfinished(command, auteur.url, file, project or "")
        if not resume:
            self._noted.forget()
        self._named = project
        screen.hint = f"Go on with: {again_with(RESUME)}"

    def project(self) -> str:
        """The one that was named, or one of the file's name."""
        if self._named:
            return self._named
        if "project_id" not in self._noted.known:
            name = self._key("project_key")
            made = self._auteur.create_project(self._file.stem[:100], idempotency_key=name)
            self._noted.note(project_id=str(made.id))
            self._screen.say(f"Project {made.id}")
        return self._noted.known["project_id"]

    def media(self) -> Media:
        """The file, uploaded and checked."""
        project_id = self.project()
        if "media_id" not in self._noted.known:
            name = self._key("upload_key")
            try:
                begun = self._auteur.begin_upload(self._file, project_id, idempotency_key=name)
            except ProblemError as exc:
                if exc.status in REFUSED_FILE:
                    self._delete_own_project()
                raise
            self._noted.note(media_id=str(begun.media_id))
        media_id = self._noted.known["media_id"]
        try:
            with self._screen.bytes(self._file.name) as progress:
                return self._auteur.upload(
                    self._file, project_id, resume=media_id, on_progress=progress
                )
        except UploadRejectedError:
            self._delete_own_project()
            raise

    def _delete_own_project(self) -> None:
        """Delete the project that was created for a file that the API has refused."""
        project_id = self._noted.known.get("project_id")
        self.done()
        if project_id and not self._named:
            self._auteur.request("DELETE", f"/projects/{project_id}")

    def job(self, feature: FeatureName, **parameters: str | None) -> Job:
        """A job of it, completed; raises ``JobFailedError``."""
        noted, key = f"{feature}_id", f"{feature}_key"
        if noted not in self._noted.known:
            name = self._key(key)
            try:
                submitted = self._auteur.submit(feature, idempotency_key=name, **parameters)
            except ProblemError:
                self._noted.forget(key)
                raise
            self._noted.note(**{noted: str(submitted.job_id)})
        with self._screen.job(feature) as progress:
            job = self._auteur.wait(self._noted.known[noted], on_progress=progress)
        if job.status != "completed":
            self._noted.forget(noted, key)
            raise JobFailedError(job)
        return job

    def edit(self, operations: Sequence[Mapping[str, Any]]) -> None:
        """Edits of the project's timeline, made once."""
        name = self._key("edit_key")
        self._auteur.edit(self.project(), operations, idempotency_key=name)

    def done(self) -> None:
        """Nothing is left to go on with."""
        self._noted.forget()

    def _key(self, step: str) -> str:
        """What names a step, the same until it is done."""
        if step not in self._noted.known:
            self._noted.note(**{step: str(uuid.uuid4())})
        return self._noted.known[step]
