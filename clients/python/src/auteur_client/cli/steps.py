"""Carry out the steps from a file to a result; a resumed command repeats no completed step."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auteur_client.api.models import Media
from auteur_client.cli.config import UnfinishedWork
from auteur_client.cli.screen import Screen
from auteur_client.cli.session import build_command_with
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
"""Statuses of a refused upload that no retry would change."""


class Steps:
    """The project, upload and jobs of one file; ``resume`` continues an interrupted command."""

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
        self._unfinished = UnfinishedWork(command, auteur.url, file, project or "")
        if not resume:
            self._unfinished.forget()
        self._project_id = project
        screen.hint = f"Continue with: {build_command_with(RESUME)}"

    def project(self) -> str:
        """Return the given project's id, or create a project with the file's name."""
        if self._project_id:
            return self._project_id
        if "project_id" not in self._unfinished.ids:
            name = self._key("project_key")
            project = self._auteur.create_project(self._file.stem[:100], idempotency_key=name)
            self._unfinished.note(project_id=str(project.id))
            self._screen.say(f"Project {project.id}")
        return self._unfinished.ids["project_id"]

    def media(self) -> Media:
        """Upload the file and return it as checked media."""
        project_id = self.project()
        if "media_id" not in self._unfinished.ids:
            name = self._key("upload_key")
            try:
                upload = self._auteur.begin_upload(self._file, project_id, idempotency_key=name)
            except ProblemError as exc:
                if exc.status in REFUSED_FILE:
                    self._delete_own_project()
                raise
            self._unfinished.note(media_id=str(upload.media_id))
        media_id = self._unfinished.ids["media_id"]
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
        project_id = self._unfinished.ids.get("project_id")
        self.done()
        if project_id and not self._project_id:
            self._auteur.request("DELETE", f"/projects/{project_id}")

    def job(self, feature: FeatureName, **parameters: str | None) -> Job:
        """Run a job to its end and return it; raise ``JobFailedError`` if it fails."""
        id_name, key = f"{feature}_id", f"{feature}_key"
        if id_name not in self._unfinished.ids:
            name = self._key(key)
            try:
                submitted = self._auteur.submit(feature, idempotency_key=name, **parameters)
            except ProblemError:
                self._unfinished.forget(key)
                raise
            self._unfinished.note(**{id_name: str(submitted.job_id)})
        with self._screen.job(feature) as progress:
            job = self._auteur.wait(self._unfinished.ids[id_name], on_progress=progress)
        if job.status != "completed":
            self._unfinished.forget(id_name, key)
            raise JobFailedError(job)
        return job

    def edit(self, operations: Sequence[Mapping[str, Any]]) -> None:
        """Edit the project's timeline once."""
        name = self._key("edit_key")
        self._auteur.edit(self.project(), operations, idempotency_key=name)

    def done(self) -> None:
        """Delete the stored progress, because the command is complete."""
        self._unfinished.forget()

    def _key(self, step: str) -> str:
        """Return the idempotency key of a step, the same until the step is complete."""
        if step not in self._unfinished.ids:
            self._unfinished.note(**{step: str(uuid.uuid4())})
        return self._unfinished.ids[step]
