"""The draft engine: measures of pictures and sound, words of both, and rules for the question."""

from gpu_tasks.mediakit import film as films
from gpu_tasks.mediakit.faces.detection import detect
from gpu_tasks.mediakit.film import Film, Frame
from gpu_tasks.runtime.engine import Engine, Workspace
from gpu_tasks.transcription.draft import DraftEngine as Transcriber
from gpu_tasks.video_query import hearing, reading
from gpu_tasks.video_query.answers import UNASKED, Known, answer
from gpu_tasks.video_query.contract import (
    MAX_ANSWER,
    MAX_EVIDENCE,
    MAX_SEGMENT_TEXT,
    Evidence,
    Said,
    VideoQueryPayload,
    VideoQueryResult,
)
from gpu_tasks.video_query.questions import Question, Topic, understand
from gpu_tasks.video_query.watching import MAX_SIDE, RATE, watch

WATCHING_SHARE = 0.5
"""How much of the work is looking, where there is listening as well."""
SURE_FACE = 0.75
"""The detector's score from which a face is told of; patterns have been seen to get 0.65."""


class DraftEngine(Engine):
    """Answers what can be measured, and says where it cannot."""

    def __init__(self) -> None:
        self._transcriber = Transcriber()
        heard_by = self._transcriber.info.model
        self.model = f"measures of pictures, PP-OCRv6, {heard_by}"

    def run(self, payload: VideoQueryPayload, workspace: Workspace) -> VideoQueryResult:
        """The answer; ``seed`` changes nothing, for nothing here is left to chance."""
        question = understand(payload.question)
        reads = _about(question, Topic.TEXT)
        side = reading.SIDE if reads else MAX_SIDE
        film = films.look(workspace.input("video"), max_side=side, frame_rate=RATE)
        listens = payload.segments is None and film.has_sound and _about(question, Topic.SPEECH)
        share = WATCHING_SHARE if listens else 1.0
        watched = watch(
            film,
            lambda done: workspace.progress(done * share),
            count_faces=_count_faces if Topic.FACES in question.topics else None,
            read=reading.read if reads else None,
        )
        loudness = None
        if film.has_sound and Topic.SOUND in question.topics:
            loudness = hearing.loudness(
                film.path, watched.brightness.size, lambda _: workspace.progress(share)
            )
        said = self._heard(film, workspace) if listens else payload.segments
        findings = answer(question, Known(watched, said, film.has_sound, loudness))
        workspace.progress(1.0)
        evidence = [one for finding in findings for one in finding.evidence]
        return VideoQueryResult(
            answer=" ".join(finding.text for finding in findings)[:MAX_ANSWER],
            evidence=tuple(_within(evidence, watched.duration_ms)[:MAX_EVIDENCE]),
            duration_ms=watched.duration_ms,
            frames_sampled=watched.brightness.size,
        )

    def _heard(self, film: Film, workspace: Workspace) -> list[Said]:
        def tick(done: float) -> None:
            workspace.progress(WATCHING_SHARE + (1 - WATCHING_SHARE) * done)

        transcript = self._transcriber.transcribe(film.path, diarization=False, progress=tick)
        return [
            Said(start_ms=one.start_ms, end_ms=one.end_ms, text=one.text[:MAX_SEGMENT_TEXT])
            for one in transcript.segments
        ]


def _count_faces(frame: Frame) -> int:
    return sum(face.score >= SURE_FACE for face in detect(frame))


def _about(question: Question, topic: Topic) -> bool:
    """Whether an answer tells of it: what is not understood is answered with what there is."""
    return topic in (question.topics or UNASKED)


def _within(evidence: list[Evidence], duration_ms: int) -> list[Evidence]:
    """What begins in the film, cut at its end: sound may go on after the pictures."""
    return [
        one.model_copy(update={"end_ms": min(max(one.start_ms, one.end_ms), duration_ms)})
        for one in evidence
        if one.start_ms <= duration_ms
    ]
