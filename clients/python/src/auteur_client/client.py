"""`Auteur`: what takes several requests, as one call; and all operations, typed, at `api`."""

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
"""Lists by their addresses: what a page of each is, and where its rows stand."""

Id = UUID | str


def _untold(*_: object) -> None:
    """Nobody wants to know of progress."""


class Auteur(FeatureRunner):
    """The API at ``url`` with a token or an API key (``AUTEUR_URL``, ``AUTEUR_TOKEN`` if left out).

    ``live_url`` is where events are streamed, if at another address (``AUTEUR_LIVE_URL``). It may
    be used by several threads, and as a context manager, which closes its connections.
    """

    def __init__(
        self, url: str | None = None, token: str | None = None, *, live_url: str | None = None
    ) -> None:
        url = url or os.environ.get(URL)
        if not url:
            raise AuteurError(f"No address: give `url`, or set {URL}.")
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
        """What the operations of `auteur_client.api` want as their ``client``.

        With the same tries, keys and errors as all else here::

            from auteur_client.api.users import users_me_retrieve

            profile = users_me_retrieve.sync(client=auteur.core.api)
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
        """An answer's JSON as it is; None where there is none."""
        answer = self.http.request(method, path, json=json, params=params, headers=headers)
        return answer.json() if answer.content else None

    # Projects and what they hold

    def create_project(self, name: str, *, idempotency_key: str | None = None) -> Project:
        """A new project, empty."""
        from auteur_client.api.models import Project  # noqa: PLC0415

        headers = {IDEMPOTENCY_KEY: idempotency_key} if idempotency_key else {}
        return Project.from_dict(
            self.request("POST", "/projects", json={"name": name}, headers=headers)
        )

    def edl(self, project_id: Id) -> Edl:
        """The project's timeline and transcript, as they are."""
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
        """Make edits in order, all or none.

        With a ``version`` they are made to that one alone: ``StaleEditError`` says which there is
        now. With the same ``idempotency_key`` they are made once.
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
        """Take the last edit back."""
        from auteur_client.api.models import Edited  # noqa: PLC0415

        return Edited.from_dict(self.request("POST", f"/projects/{project_id}/edl/undo"))

    def redo(self, project_id: Id) -> Edited:
        """Make the edit again that was taken back last."""
        from auteur_client.api.models import Edited  # noqa: PLC0415

        return Edited.from_dict(self.request("POST", f"/projects/{project_id}/edl/redo"))

    def transcript(self, project_id: Id) -> Transcript:
        """What is said, in segments and words."""
        from auteur_client.api.models import Transcript  # noqa: PLC0415

        return Transcript.from_dict(self.request("GET", f"/projects/{project_id}/transcript"))

    def captions(
        self,
        project_id: Id,
        format: Literal["srt", "vtt", "txt"] = "srt",
        *,
        times: Literal["source", "timeline"] | None = None,
    ) -> str:
        """The transcript as a file of captions, or as text."""
        params = {"times": times} if times else {}
        path = f"/projects/{project_id}/transcript.{format}"
        return self.http.request("GET", path, params=params).text

    def frame(self, project_id: Id, at_ms: int, *, width: int | None = None) -> bytes:
        """A JPEG of what a render would show at a time of the timeline, without captions."""
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
        """Declare a file; ``upload`` with its ``media_id`` as ``resume`` sends it, now or later."""
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
        """Bring a file into a project; the media file, checked and ready.

        Large files go in parts, some at once. ``on_progress`` is told the bytes sent and in all,
        from several threads, one at a time. ``resume`` goes on with an upload that broke off: only
        what is missing is sent. Raises ``UploadRejectedError`` if the file is not accepted.
        """
        file = Path(path)
        upload: Upload | None
        if resume is None:
            upload = self.begin_upload(file, project_id, content_type=content_type)
            media_id = upload.media_id
        else:
            upload = uploads.missing(self.http, project_id, resume)
            media_id = UUID(str(resume))
        uploads.send(self.http, file, project_id, upload, on_progress or _untold)
        return uploads.finish(self.http, project_id, media_id)

    def media(self, media_id: Id) -> MediaDetail:
        """A media file with fresh URLs."""
        from auteur_client.api.models import MediaDetail  # noqa: PLC0415

        return MediaDetail.from_dict(self.request("GET", f"/media/{media_id}"))

    def download(
        self,
        what: Media | MediaDetail | Job | Id,
        path: str | os.PathLike[str],
        *,
        on_progress: downloads.OnBytes | None = None,
    ) -> Path:
        """Bring a media file here, whole or not at all: by itself, its id, or a signed URL.

        Of a job it is the first file that it has made.
        """
        if isinstance(what, str) and what.startswith(("http://", "https://")):
            url = what
        else:
            media = self.media(_id_of(what))
            if media.download_url is None:
                raise AuteurError(f"Media {media.id} is {media.status}: there is nothing yet.")
            url = media.download_url
        return downloads.download(self.http, url, Path(path), on_progress or _untold)

    # Work

    def features(self) -> list[Feature]:
        """What can be asked for, with parameters, limits and prices."""
        from auteur_client.api.models import Catalogue  # noqa: PLC0415

        return Catalogue.from_dict(self.request("GET", "/features")).features

    def estimate(self, feature: FeatureName, **parameters: Any) -> Estimate:
        """Return the price of a job; its ``quote_id``, sent as a parameter, binds the price."""
        return jobs.estimate(self.http, feature, parameters)

    def submit(
        self, feature: FeatureName, *, idempotency_key: str | None = None, **parameters: Any
    ) -> Submitted:
        """Ask for a job, which is charged at once; with the same key it is asked for once."""
        return jobs.submit(self.http, feature, parameters, idempotency_key)

    def job(self, job_id: Id) -> Job:
        """A job as it is."""
        return jobs.get(self.http, job_id)

    def wait(self, job_id: Id, *, on_progress: jobs.OnProgress | None = None) -> Job:
        """Follow a job until it has ended, however; ``on_progress`` gets the job at each news."""
        return jobs.wait(self.http, job_id, on_progress or _untold)

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
        """Stop a job. ``without_refund`` agrees that it is paid for all the same, if it must be."""
        return jobs.cancel(self.http, job_id, without_refund=without_refund)

    def balance(self) -> int:
        """The credits that there are."""
        return int(self.request("GET", "/credits")["balance"])

    # Lists and the log

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
        """Every row of a list, page by page as they are taken; filters are those of the list."""
        from auteur_client.api import models  # noqa: PLC0415

        kind, rows = LISTS[what]
        params = jobs.plain(filters)
        while True:
            page = getattr(models, kind).from_dict(self.request("GET", f"/{what}", params=params))
            yield from getattr(page, rows)
            if not page.next_:
                return
            params |= {"cursor": parse_qs(urlsplit(page.next_).query)["cursor"][0]}

    def events(self, after: int | None = None) -> Iterator[events.Event]:
        """What happens to all jobs, for ever: after an event's ``seq``, or from now on.

        It goes on by itself where the connection broke, without a gap.
        """
        return events.follow(self.http, after)


def _id_of(what: Media | MediaDetail | Job | Id) -> Id:
    """Of the media file that is meant; raises ``AuteurError`` where a job has made none."""
    from auteur_client.api.models import Media, MediaDetail  # noqa: PLC0415

    if isinstance(what, str | UUID):
        return what
    if isinstance(what, Media | MediaDetail):
        return what.id
    made = jobs.results_of(what)
    if not made:
        raise AuteurError(f"Job {what.id} is {what.status}: it has made no file.")
    return made[0]
