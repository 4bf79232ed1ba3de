"""Handle the files of a call: what it reads and writes, and how outputs become media."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from gpu_tasks.runtime.errors import EngineError, ErrorCode
from jobs.models import Attempt, Job
from jobs.step_leases import build_lease_renewer
from media import results
from media.content_types import ACCEPTED
from media.models import MediaFile, MediaStatus, VoiceClone
from media.provenance.source_types import Making, derive_source_type, find_source_type
from media.provenance.statements import MAX_SOURCES, Source, Statement

RESULT_KEY = "result_key"
"""The key of a job's output that names an object which is no media."""
MAX_APART_BYTES = 64 * 1024**2
"""The largest allowed size of such an object."""


@dataclass(frozen=True)
class Read:
    """A stored object that the call reads; its URL is signed when the call is started."""

    key: str
    name: str


@dataclass(frozen=True)
class Write:
    """A stored object that the call writes; its URL is signed when the call requests it."""

    key: str
    content_type: str


@dataclass(frozen=True)
class Output:
    """One file that a job makes, which becomes media of its user."""

    content_type: str
    label: str = ""
    """The description in its name: `lip sync` in `interview, lip sync.mp4`."""


def find_media_read(job: Job, media_id: str | None) -> Read | None:
    """Return one of the job's media files for its call; raise ``EngineError`` if it was deleted."""
    if media_id is None:
        return None
    media = MediaFile.objects.filter(
        pk=media_id, user_id=job.user_id, status=MediaStatus.READY
    ).first()
    if media is None:
        raise EngineError(ErrorCode.INPUT_INVALID, "The media file has been deleted.")
    return _build_read(media.r2_key)


def find_voice_read(job: Job, voice_id: str | None) -> Read | None:
    """Return the sample of one of the user's voices; raise ``EngineError`` if it was deleted."""
    if voice_id is None:
        return None
    voice = VoiceClone.objects.filter(
        pk=voice_id, user_id=job.user_id, status=MediaStatus.READY
    ).first()
    if voice is None:
        raise EngineError(ErrorCode.INPUT_INVALID, "The voice has been deleted.")
    return _build_read(voice.sample_r2_key)


def _build_read(key: str) -> Read:
    return Read(key=key, name=key.rsplit("/", 1)[-1])


def build_writes(attempt: Attempt, outputs: Sequence[Output]) -> list[Write]:
    """Return the objects for an attempt's outputs; no other attempt writes to them."""
    folder = f"users/{attempt.job.user_id}/jobs/{attempt.job_id}/{attempt.pk}"
    return [
        Write(f"{folder}/result-{index}.{ACCEPTED[output.content_type]}", output.content_type)
        for index, output in enumerate(outputs)
    ]


def list_writes(attempt: Attempt) -> Iterator[Write]:
    """List the objects that a call may write, by the payload that `prepare` has stored."""
    for value in (attempt.payload or {}).values():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict) and set(item) == {"write"}:
                yield Write(**item["write"])


def list_sources(job: Job) -> list[MediaFile]:
    """Return the media that the job reads, in its order, without deleted ones."""
    media = MediaFile.objects.in_bulk(job.media_ids)
    return [media[media_id] for media_id in job.media_ids if media_id in media]


def inspect_outputs(
    attempt: Attempt, outputs: Sequence[Output], title: str, statement: Statement
) -> list[dict[str, Any]]:
    """Return the files that the attempt has written, inspected, signed and named for people."""
    payload = cast(dict[str, Any], attempt.payload)
    files = payload["results"] if "results" in payload else [payload["result"]]
    return [
        results.inspect_result(
            job_id=attempt.job_id,
            index=index,
            tick=build_lease_renewer(attempt),
            file=results.WrittenFile(
                key=file_entry["write"]["key"],
                content_type=output.content_type,
                name=results.build_file_name(
                    title,
                    output.label,
                    output.content_type,
                    index + 1 if len(outputs) > 1 else None,
                ),
                statement=statement,
            ),
        )
        for index, (output, file_entry) in enumerate(zip(outputs, files, strict=True))
    ]


def build_statement(attempt: Attempt, making: Making, most_bytes: int | None) -> Statement:
    """Return the credentials' statement: how, by what and from which media it was made."""
    engine = (attempt.outcome or {}).get("engine") or {}
    name = engine.get("name") or attempt.engine
    # Media that is read twice, as pictures and as sound, is one source.
    sources = list(dict.fromkeys(_build_source(media) for media in list_sources(attempt.job)))
    return Statement(
        making=making,
        source_type=derive_source_type(
            making,
            is_draft=name == "draft",
            sources=[source.source_type for source in sources],
        ),
        engine=name,
        model=engine.get("model") or "",
        sources=sources[:MAX_SOURCES],
        most_bytes=most_bytes,
    )


def _build_source(media: MediaFile) -> Source:
    credentials = (media.origin or {}).get("credentials") or {}
    return Source(
        media_id=media.pk,
        content_type=media.mime_type,
        object_key=media.r2_key,
        size_bytes=media.file_size_bytes or 0,
        source_type=find_source_type(credentials.get("digital_source_type")),
    )


def store_media(job: Job, output: Mapping[str, Any]) -> None:
    """Create media from the inspected files, with their lineage.

    Raises as `media.results.store_results` does.
    """
    voice_id = job.parameters.get("voice_id")
    results.store_results(
        user_id=job.user_id,
        project_id=job.project_id,
        files=output["media"],
        origin={
            "job_id": str(job.pk),
            "type": job.type,
            "engine": output.get("engine"),
            "media_ids": [str(media_id) for media_id in job.media_ids],
            **({"voice_ids": [voice_id]} if voice_id else {}),
        },
    )
