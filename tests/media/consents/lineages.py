"""Lineages of any shape, laid out as rows and objects; what must go is reckoned from the shape."""

import random
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import User
from jobs import submission
from jobs.features.registry import get_feature
from jobs.models import Attempt, Job
from jobs.states import AttemptState, JobStatus
from media.models import MediaFile, MediaStatus, MediaType, VoiceClone
from media.storage import object_storage
from tests.jobs.walk import bring_to

CONTENT = b"bytes"
OPEN_STATES = (
    None,  # pending
    AttemptState.PREPARED,
    AttemptState.RUNNING,
    AttemptState.REPORTED,
    AttemptState.COLLECTED,
    AttemptState.FINALIZING,
)


@dataclass
class Node:
    """A media file or a voice, what it was made from, and the keys of what belongs to it."""

    id: uuid.UUID
    sources: set[uuid.UUID]
    keys: list[str] = field(default_factory=list)
    is_deleted: bool = False


class Lineage:
    """Media of a user, made of each other."""

    def __init__(self, user: User, chance: random.Random) -> None:
        self.user, self.chance = user, chance
        self.nodes: dict[uuid.UUID, Node] = {}
        self.outputs: list[Node] = []
        """Of jobs, and no media: transcripts, segments, what failed attempts left."""
        self.readers: dict[uuid.UUID, set[uuid.UUID]] = {}
        """Open jobs, and what each reads."""
        self.voice_id = self._voice()

    def grow(self, size: int, open_jobs: int) -> None:
        """To so many media files, some read by open jobs."""
        while len(self.nodes) < size:
            if self.chance.random() < 0.15 or len(self.nodes) < 3:
                self._upload()
            else:
                self._job()
        media = [node for node in self.nodes.values() if not node.is_deleted]
        media = [node for node in media if node.id != self.voice_id]
        for number in range(open_jobs):
            state = OPEN_STATES[number % len(OPEN_STATES)]
            self._open_job(self.chance.choice(media), state)

    def tainted(self, sources: set[uuid.UUID]) -> set[uuid.UUID]:
        """The sources and all that was made of them."""
        results = set(sources)
        for node in self.nodes.values():  # in the order of their making
            if node.sources & results:
                results.add(node.id)
        return results

    def keys_of(self, ids: set[uuid.UUID]) -> tuple[set[str], set[str]]:
        """The keys that must go with these, and those that must stay."""
        going: set[str] = set()
        staying: set[str] = set()
        for node in self.nodes.values():
            (going if node.id in ids else staying).update(node.keys)
        for output in self.outputs:
            (going if output.sources & ids else staying).update(output.keys)
        return going, staying

    def _write(self, key: str) -> str:
        object_storage().write(key, CONTENT, "video/mp4")
        return key

    def _voice(self) -> uuid.UUID:
        pk = uuid.uuid4()
        key = self._write(f"users/{self.user.pk}/voices/{pk}/sample.wav")
        VoiceClone.objects.create(
            id=pk,
            user=self.user,
            name="Ann",
            status=MediaStatus.READY,
            sample_r2_key=key,
            consent_statement="Yes.",
            consented_at=timezone.now(),
        )
        self.nodes[pk] = Node(pk, set(), [key])
        return pk

    def _upload(self) -> None:
        pk = uuid.uuid4()
        self._media(pk, f"users/{self.user.pk}/media/{pk}/source.mp4", set(), None)

    def _job(self) -> None:
        """A completed job: of one to three sources, or spoken; with up to three results."""
        speaks = self.chance.random() < 0.05
        expected = [pk for pk in self.nodes if pk != self.voice_id]
        recent = expected[-8:] if self.chance.random() < 0.5 else expected  # deep and broad ones
        sources = {self.voice_id} if speaks else set(self.chance.choices(recent, k=3))
        job_id, attempt_id = uuid.uuid4(), uuid.uuid4()
        folder = f"users/{self.user.pk}/jobs/{job_id}/{attempt_id}"
        created = [
            uuid.uuid5(job_id, str(index)) for index in range(self.chance.choice([0, 1, 1, 3]))
        ]
        result: dict[str, Any] = {
            "media": [{"id": str(pk)} for pk in created],
            "engine": None,
            "answer": "Ann",
        }
        segment = f"users/{self.user.pk}/renders/{uuid.uuid4()}/{uuid.uuid4().hex}.stretch"
        remaining = [self._write(f"{folder}/left-over.mp4")]
        if not created:
            result["result_key"] = self._write(f"{folder}/transcript.json")
            remaining += [result["result_key"], self._write(segment)]
        self.outputs.append(Node(job_id, sources, remaining))
        write = {"key": segment, "content_type": "application/octet-stream"}
        self._ended(job_id, attempt_id, sources, result, [{"write": write}])
        for index, pk in enumerate(created):
            self._media(pk, f"{folder}/result-{index}.mp4", sources, {"job_id": str(job_id)})

    def _ended(
        self,
        job_id: uuid.UUID,
        attempt_id: uuid.UUID,
        sources: set[uuid.UUID],
        result: dict[str, Any],
        made: list[Any],
    ) -> None:
        voice = {"voice_id": str(self.voice_id)} if self.voice_id in sources else {}
        delivered_only = self.chance.random() < 0.1  # the media are rows, its end is not yet told
        job = Job.objects.create(
            id=job_id,
            user=self.user,
            type="stills",
            gpu_class="CPU",
            media_ids=sorted(sources - {self.voice_id}),
            status=JobStatus.FAILED if delivered_only else JobStatus.COMPLETED,
            error_code="MODEL_ERROR" if delivered_only else None,
            error_message="Lost." if delivered_only else None,
            credits_cost=0,
            price_version="1",
            input_params=voice,
            output_data=None if delivered_only else result,
            wake_at=None,
            completed_at=timezone.now(),
            start_deadline_at=timezone.now() + timedelta(hours=1),
        )
        state = AttemptState.FAILED if delivered_only else AttemptState.COMPLETED
        attempt = Attempt.objects.create(
            id=attempt_id,
            job=job,
            number=1,
            state=state,
            backend="local",
            engine="draft",
            gpu_class="CPU",
            payload={"made": made},
            result=result,
            finished_at=Now(),
        )
        Job.objects.filter(pk=job_id).update(attempt=attempt)

    def _media(
        self, pk: uuid.UUID, key: str, sources: set[uuid.UUID], origin: dict[str, Any] | None
    ) -> None:
        node = Node(pk, sources)
        self.nodes[pk] = node
        if sources and self.chance.random() < 0.1:
            node.is_deleted = True  # by its user, before; what was made of it stays
            return
        folder = f"users/{self.user.pk}/media/{pk}"
        thumbnail = f"{folder}/thumbnail.jpg"
        node.keys = [self._write(key), self._write(thumbnail), self._write(f"{folder}/peaks.json")]
        MediaFile.objects.create(
            id=pk,
            user=self.user,
            name="film.mp4",
            type=MediaType.VIDEO,
            status=MediaStatus.READY,
            mime_type="video/mp4",
            duration_ms=30_000,
            file_size_bytes=len(CONTENT),
            r2_key=key,
            r2_url=f"http://storage/{key}",
            thumbnail_r2_key=thumbnail,
            metadata={"has_audio": True},
            origin=origin,
        )

    def _open_job(self, node: Node, state: AttemptState | None) -> None:
        feature = get_feature("transcription")
        parameters = submission.validate(
            feature=feature, user_id=self.user.pk, data={"media_id": str(node.id)}
        )
        submission_result = submission.submit(
            feature=feature, user_id=self.user.pk, plan=None, parameters=parameters
        )
        self.readers[submission_result.job_id] = {node.id}
        if state is not None:
            bring_to(Job.objects.get(pk=submission_result.job_id), state)
