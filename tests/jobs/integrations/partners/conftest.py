"""A course platform, and our side of it without processes: its broker is Redis."""

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from django.conf import settings
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts.models import User
from gpu_tasks.transcription.contract import (
    RecordingTranscript,
    TranscribedSegment,
    TranscribedWord,
)
from jobs import lifecycle
from jobs.integrations.partners.consumer import Consumer
from jobs.integrations.partners.models import Partner, PartnerRequest, State
from jobs.models import Attempt, Job
from jobs.states import FINALIZE, AttemptState
from media import checking, results
from media.imports import worker
from media.kinds import FILES
from media.models import MediaFile, MediaImport, MediaStatus
from media.provenance.source_types import TRANSCODED
from media.provenance.statements import Statement
from media.storage import object_storage
from tests.jobs.walk import WORKER, bring_to
from tests.media import samples
from tests.media.imports.source import File, Source

TRANSCRIPT = RecordingTranscript(
    language="de",
    duration_ms=400,
    segments=[
        TranscribedSegment(
            speaker="A",
            start_ms=10,
            end_ms=350,
            text="Guten Tag",
            words=[
                TranscribedWord(word="Guten", start_ms=10, end_ms=150, confidence=0.9),
                TranscribedWord(word="Tag", start_ms=160, end_ms=350, confidence=0.8),
            ],
        )
    ],
)
MAX_ROUNDS = 60
LONG_AGO = "2000-01-01T00:00:00Z"


class Platform:
    """The other side: it knows topics and shapes, and nothing else of us."""

    def __init__(self, partner: Partner, store: redis.Redis, source: Source) -> None:
        self.partner, self.store, self.source = partner, store, source
        source.serves("/film.mp4", File(samples.video()))

    def asks(self, video_id: str = "v1", topic: str = "transcribe_topic", **given: Any) -> None:
        """Send a message with the required fields."""
        request_data = {"video_id": video_id, "video_url": self.source.url(), **given}
        self.says(json.dumps(request_data).encode(), topic)

    def says(self, value: bytes, topic: str = "transcribe_topic") -> None:
        self.store.xadd(getattr(self.partner, topic), {"key": "", "value": value})

    def hears(self, topic: str = "transcribed_topic") -> list[tuple[str, Any]]:
        """Keys and values of all that was written there."""
        entries: Any = self.store.xrange(getattr(self.partner, topic))
        return [(fields[b"key"].decode(), fields[b"value"]) for _, fields in entries]

    def answer(self, topic: str = "transcribed_topic") -> Any:
        """The one message that was written there."""
        ((_, value),) = self.hears(topic)
        return json.loads(value)

    def waiting(self) -> int:
        """Messages that were given out and not acknowledged."""
        topics = (self.partner.transcribe_topic, self.partner.compress_topic)
        matches: list[Any] = [self.store.xpending(topic, self.partner.group) for topic in topics]
        return sum(item["pending"] for item in matches)


@pytest.fixture
def source() -> Iterator[Source]:
    with Source() as source:
        yield source


@pytest.fixture
def make_partner(user: User) -> Iterator[Callable[..., Partner]]:
    """A partner with topics of its own; they are gone after the test."""
    store = redis.Redis.from_url(settings.REDIS_URL)
    prefix = f"test-{uuid.uuid4().hex[:8]}"

    def make(owner: User = user, **given: Any) -> Partner:
        name = f"partner-{uuid.uuid4().hex[:8]}"
        topics = {topic: f"{prefix}.{name}.{topic}" for topic in Partner.TOPICS}
        fields = {"name": name, "captions_folder": name, "transport": "redis", **topics, **given}
        partner = Partner(user=owner, **fields)
        partner.connection_settings = {"url": settings.REDIS_URL}
        partner.save()
        return partner

    yield make
    for key in store.scan_iter(f"{prefix}*"):
        store.delete(key)
    store.close()


@pytest.fixture
def partner(make_partner: Callable[..., Partner]) -> Partner:
    return make_partner()


@pytest.fixture
def make_consumer() -> Iterator[Callable[..., Consumer]]:
    """Consumers that nobody runs: tests let them do round after round."""
    created: list[Consumer] = []

    def make(partner: Partner) -> Consumer:
        created.append(Consumer(partner))
        created[-1].patience = 0.01
        return created[-1]

    yield make
    for consumer in created:
        consumer.disconnect()


@pytest.fixture
def consumer(make_consumer: Callable[..., Consumer], partner: Partner) -> Consumer:
    return make_consumer(partner)


@pytest.fixture
def platform(partner: Partner, source: Source) -> Iterator[Platform]:
    with redis.Redis.from_url(settings.REDIS_URL) as store:
        yield Platform(partner, store, source)


@pytest.fixture
def workers(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> Callable[[], None]:
    """What workers do, if there is anything: fetch, check, and end jobs with `TRANSCRIPT`."""

    def within_a_test() -> None:
        with django_capture_on_commit_callbacks(execute=True):
            work_on()

    return within_a_test


def work_on() -> None:
    """A turn of all workers."""
    for waiting in MediaImport.objects.filter(holder=None, due_at__isnull=False):
        worker.run_import(waiting.pk)
    for media in MediaFile.objects.filter(status=MediaStatus.CHECKING):
        checking.run_check(FILES, media.pk)
    for job in Job.objects.filter(status="pending"):
        end(job)


def end(job: Job) -> None:
    """Complete a pending job with what its engine might have made."""
    attempt = bring_to(job, AttemptState.COLLECTED)
    result = _transcribed() if job.type == "transcription" else _compressed(job)
    Attempt.objects.filter(pk=attempt.pk).update(result=result)
    lifecycle.claim(step=FINALIZE, attempt_ids=[attempt.pk], worker=WORKER)
    lifecycle.complete(attempt_ids=[attempt.pk], worker=WORKER)


def _transcribed() -> dict[str, Any]:
    return {"transcript": TRANSCRIPT.model_dump(mode="json"), "language": TRANSCRIPT.language}


def _compressed(job: Job) -> dict[str, Any]:
    key = f"users/{job.user_id}/jobs/{job.pk}/{uuid.uuid4()}/result-0.mp4"
    object_storage().write(key, samples.video(), "video/mp4")
    statement = Statement(TRANSCODED, None, "draft", "ffmpeg")
    written_file = results.WrittenFile(
        key=key, content_type="video/mp4", name="film.mp4", statement=statement
    )
    matches = results.inspect_result(job_id=job.pk, index=0, file=written_file)
    origin = {"media_ids": [str(media_id) for media_id in job.media_ids]}
    results.store_results(user_id=job.user_id, project_id=None, files=[matches], origin=origin)
    return {"media": [matches]}


@pytest.fixture
def serve(consumer: Consumer, workers: Callable[[], None]) -> Callable[..., None]:
    """Rounds of the consumer and the workers until every request is answered."""

    def rounds(consumer: Consumer = consumer) -> None:
        for _ in range(MAX_ROUNDS):
            hurry()
            consumer.round()
            workers()
            if not PartnerRequest.objects.exclude(state=State.ANSWERED).exists():
                return
        raise AssertionError(list(PartnerRequest.objects.values_list("state", "trouble")))

    return rounds


def hurry() -> None:
    """What waits need wait no longer."""
    waiting = PartnerRequest.objects.filter(holder=None, due_at__isnull=False)
    waiting.update(due_at=LONG_AGO)
    waiting.exclude(answer_tried_at=None).update(answer_tried_at=LONG_AGO)
