"""Define `Auteur`, the client: one method for each task; typed operations at `api`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, overload
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

from auteur_client import downloads, events, jobs, uploads
from auteur_client.api.job_kinds import FeatureName, FeatureRunner
from auteur_client.errors import AuteurError, JobFailedError, StaleEditError
from auteur_client.http import IDEMPOTENCY_KEY, Http

if TYPE_CHECKING:
    from typing import Self

    from auteur_client.api.client import AuthenticatedClient
    from auteur_client.api.job_kinds import Job
    from auteur_client.api.models import (
        ApiKey,
        Consent,
        CreditTransaction,
        Edited,
        Edl,
        Endpoint,
        Estimate,
        Feature,
        JobSummary,
        Media,
        MediaDetail,
        Project,
        Submitted,
        Transcript,
        Upload,
        Voice,
    )

URL, TOKEN, LIVE_URL = "AUTEUR_URL", "AUTEUR_TOKEN", "AUTEUR_LIVE_URL"
LISTS = {
    "api-keys": ("PaginatedApiKeyList", "api_keys"),
    "consents": ("PaginatedConsentList", "consents"),
    "credits/history": ("PaginatedCreditTransactionList", "transactions"),
    "jobs": ("PaginatedJobSummaryList", "jobs"),
    "media": ("PaginatedMediaList", "media"),
    "projects": ("PaginatedProjectList", "projects"),
    "voices": ("PaginatedVoiceList", "voices"),
    "webhooks": ("PaginatedEndpointList", "webhooks"),
}
"""By the path of a list: the class of its pages, and their field with the rows."""

Id = UUID | str


def _ignore_progress(*_: object) -> None:
    """Do nothing with a progress report."""


class Auteur(FeatureRunner):
    """A client of the API at ``url``, with a token or an API key.

    The defaults are ``AUTEUR_URL`` and ``AUTEUR_TOKEN``. ``live_url`` is the address of the event
    streams, if it differs (``AUTEUR_LIVE_URL``). Several threads may share a client. It is a
    context manager, which closes its connections.
    """

    def __init__(
        self, url: str | None = None, token: str | None = None, *, live_url: str | None = None
    ) -> None:
        url = url or os.environ.get(URL)
        if not url:
            raise AuteurError(f"The address of the API is missing. Pass `url`, or set {URL}.")
        token = os.environ.get(TOKEN, "") if token is None else token
        self.url = url.rstrip("/")
        self.http = Http(self.url, token, live_url or os.environ.get(LIVE_URL) or self.url)

    def __repr__(self) -> str:
        return f"Auteur({self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self.http.close()

    @property
    def api(self) -> AuthenticatedClient:
        """Return the ``client`` that the operations of `auteur_client.api` need.

        It has the retries, idempotency keys and errors of this client::

            from auteur_client.api.users import users_me_retrieve

            profile = users_me_retrieve.sync(client=auteur.api)
        """
        from auteur_client.api.client import AuthenticatedClient  # noqa: PLC0415

        client = AuthenticatedClient(self.url, token="", raise_on_unexpected_status=True)
        return client.set_httpx_client(self.http.client)

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send a request and return the JSON of its response, or None if it has no body."""
        answer = self.http.request(method, path, json=json, params=params, headers=headers)
        return answer.json() if answer.content else None

    # Projects and timelines

    def create_project(self, name: str, *, idempotency_key: str | None = None) -> Project:
        """Create an empty project."""
        from auteur_client.api.models import Project  # noqa: PLC0415

        headers = {IDEMPOTENCY_KEY: idempotency_key} if idempotency_key else {}
        return Project.from_dict(
            self.request("POST", "/projects", json={"name": name}, headers=headers)
        )

    def edl(self, project_id: Id) -> Edl:
        """Return the current timeline and transcript of a project."""
        from auteur_client.api.models import Edl  # noqa: PLC0415

        return Edl.from_dict(self.request("GET", f"/projects/{project_id}/edl"))

    def edit(
        self,
        project_id: Id,
        operations: Sequence[Mapping[str, Any]],
        *,
        version: int | None = None,
        idempotency_key: str | None = None,
    ) -> Edited:
        """Apply operations to a timeline in order, all of them or none.

        With a ``version`` they are applied only to that version; ``StaleEditError`` has the
        current one. A repeated ``idempotency_key`` applies them only once.
        """
        from auteur_client.api.models import Edited  # noqa: PLC0415

        headers = {IDEMPOTENCY_KEY: idempotency_key or str(uuid4())}
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        body = {"operations": [dict(operation) for operation in operations]}
        try:
            answer = self.request(
                "PATCH", f"/projects/{project_id}/edl", json=body, headers=headers
            )
        except StaleEditError as exc:
            exc.version = version
            raise
        return Edited.from_dict(answer)

    def undo(self, project_id: Id) -> Edited:
        """Undo the last edit."""
        from auteur_client.api.models import Edited  # noqa: PLC0415

        return Edited.from_dict(self.request("POST", f"/projects/{project_id}/edl/undo"))

    def redo(self, project_id: Id) -> Edited:
        """Redo the edit that was undone last."""
        from auteur_client.api.models import Edited  # noqa: PLC0415

        return Edited.from_dict(self.request("POST", f"/projects/{project_id}/edl/redo"))

    def transcript(self, project_id: Id) -> Transcript:
        """Return the transcript, in segments and words."""
        from auteur_client.api.models import Transcript  # noqa: PLC0415

        return Transcript.from_dict(self.request("GET", f"/projects/{project_id}/transcript"))

    def captions(
        self,
        project_id: Id,
        format: Literal["srt", "vtt", "txt"] = "srt",
        *,
        times: Literal["source", "timeline"] | None = None,
    ) -> str:
        """Return the transcript as a caption file, or as plain text."""
        params = {"times": times} if times else {}
        path = f"/projects/{project_id}/transcript.{format}"
        return self.http.request("GET", path, params=params).text

    def frame(self, project_id: Id, at_ms: int, *, width: int | None = None) -> bytes:
        """Return a JPEG of the frame that a render shows at this time, without captions."""
        params = {"at_ms": at_ms} | ({"width": width} if width else {})
        return self.http.request("GET", f"/projects/{project_id}/frame", params=params).content

    # Files

    def begin_upload(
        self,
        path: str | os.PathLike[str],
        project_id: Id,
        *,
        content_type: str | None = None,
        idempotency_key: str | None = None,
    ) -> Upload:
        """Declare a file; send it with ``upload``, its ``media_id`` as ``resume``, now or later."""
        return uploads.begin(
            self.http,
            Path(path),
            project_id,
            content_type=content_type,
            idempotency_key=idempotency_key,
        )

    def upload(
        self,
        path: str | os.PathLike[str],
        project_id: Id,
        *,
        resume: Id | None = None,
        content_type: str | None = None,
        on_progress: uploads.OnBytes | None = None,
    ) -> Media:
        """Upload a file into a project, wait for its check, and return the media file.

        Large files are sent in parts, several at once. ``on_progress`` receives the bytes sent and
        the size of the file, from several threads, one at a time. ``resume`` continues an
        interrupted upload: only missing parts are sent. Raises ``UploadRejectedError`` if the check
        rejects the file.
        """
        file = Path(path)
        upload: Upload | None
        if resume is None:
            upload = self.begin_upload(file, project_id, content_type=content_type)
            media_id = upload.media_id
        else:
            upload = uploads.find_missing_parts(self.http, project_id, resume)
            media_id = UUID(str(resume))
        uploads.send(self.http, file, project_id, upload, on_progress or _ignore_progress)
        return uploads.finish(self.http, project_id, media_id)

    def media(self, media_id: Id) -> MediaDetail:
        """Return a media file with newly signed URLs."""
        from auteur_client.api.models import MediaDetail  # noqa: PLC0415

        return MediaDetail.from_dict(self.request("GET", f"/media/{media_id}"))

    def download(
        self,
        what: Media | MediaDetail | Job | Id,
        path: str | os.PathLike[str],
        *,
        on_progress: downloads.OnBytes | None = None,
    ) -> Path:
        """Download a media file completely, or leave ``path`` unchanged.

        ``what`` is a media file, its id, a signed URL, or a job, whose first output is downloaded.
        """
        if isinstance(what, str) and what.startswith(("http://", "https://")):
            url = what
        else:
            media = self.media(_get_media_id(what))
            if media.download_url is None:
                raise AuteurError(
                    f"Media {media.id} is {media.status}. Download it when its status is ready."
                )
            url = media.download_url
        return downloads.download(self.http, url, Path(path), on_progress or _ignore_progress)

    # Jobs

    def features(self) -> list[Feature]:
        """Return the features with their parameters, limits and prices."""
        from auteur_client.api.models import Catalogue  # noqa: PLC0415

        return Catalogue.from_dict(self.request("GET", "/features")).features

    def estimate(self, feature: FeatureName, **parameters: Any) -> Estimate:
        """Return the price of a job; its ``quote_id``, sent as a parameter, binds the price."""
        return jobs.estimate(self.http, feature, parameters)

    def submit(
        self, feature: FeatureName, *, idempotency_key: str | None = None, **parameters: Any
    ) -> Submitted:
        """Submit a job, which is charged at once; a repeated key returns the same job."""
        return jobs.submit(self.http, feature, parameters, idempotency_key)

    def job(self, job_id: Id) -> Job:
        """Return a job in its current state."""
        return jobs.get(self.http, job_id)

    def wait(self, job_id: Id, *, on_progress: jobs.OnProgress | None = None) -> Job:
        """Wait until a job has ended and return it; ``on_progress`` receives it at each change."""
        return jobs.wait(self.http, job_id, on_progress or _ignore_progress)

    def _run(
        self,
        feature: FeatureName,
        *,
        on_progress: jobs.OnProgress | None = None,
        idempotency_key: str | None = None,
        **parameters: Any,
    ) -> Job:
        submitted = self.submit(feature, idempotency_key=idempotency_key, **parameters)
        job = self.wait(submitted.job_id, on_progress=on_progress)
        if job.status != "completed":
            raise JobFailedError(job)
        return job

    def cancel(self, job_id: Id, *, without_refund: bool = False) -> Job:
        """Cancel a job; ``without_refund`` accepts that a begun job may not be refunded."""
        return jobs.cancel(self.http, job_id, without_refund=without_refund)

    def balance(self) -> int:
        """Return the balance in credits."""
        return int(self.request("GET", "/credits")["balance"])

    # Lists and events

    @overload
    def iterate(self, what: Literal["api-keys"], **filters: Any) -> Iterator[ApiKey]: ...
    @overload
    def iterate(self, what: Literal["consents"], **filters: Any) -> Iterator[Consent]: ...
    @overload
    def iterate(
        self, what: Literal["credits/history"], **filters: Any
    ) -> Iterator[CreditTransaction]: ...
    @overload
    def iterate(self, what: Literal["jobs"], **filters: Any) -> Iterator[JobSummary]: ...
    @overload
    def iterate(self, what: Literal["media"], **filters: Any) -> Iterator[Media]: ...
    @overload
    def iterate(self, what: Literal["projects"], **filters: Any) -> Iterator[Project]: ...
    @overload
    def iterate(self, what: Literal["voices"], **filters: Any) -> Iterator[Voice]: ...
    @overload
    def iterate(self, what: Literal["webhooks"], **filters: Any) -> Iterator[Endpoint]: ...

    def iterate(self, what: str, **filters: Any) -> Iterator[Any]:
        """Yield every row of a list, with its filters; pages are requested as needed."""
        from auteur_client.api import models  # noqa: PLC0415

        kind, rows = LISTS[what]
        params = jobs.encode_parameters(filters)
        while True:
            page = getattr(models, kind).from_dict(self.request("GET", f"/{what}", params=params))
            yield from getattr(page, rows)
            if not page.next_:
                return
            params |= {"cursor": parse_qs(urlsplit(page.next_).query)["cursor"][0]}

    def events(self, after: int | None = None) -> Iterator[events.Event]:
        """Yield the events of all jobs without end: after an event's ``seq``, or from now on.

        After a lost connection it continues without a gap.
        """
        return events.follow(self.http, after)


def _get_media_id(what: Media | MediaDetail | Job | Id) -> Id:
    """Return the id of a media file, or of a job's first output; raise if there is none."""
    from auteur_client.api.models import Media, MediaDetail  # noqa: PLC0415

    if isinstance(what, str | UUID):
        return what
    if isinstance(what, Media | MediaDetail):
        return what.id
    media_ids = jobs.list_result_ids(what)
    if not media_ids:
        raise AuteurError(f"Job {what.id} is {what.status} and has no output file to download.")
    return media_ids[0]
