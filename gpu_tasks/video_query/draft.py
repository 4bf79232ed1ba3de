"""The draft engine: measures pictures and sound, reads their words, and answers by rules."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gpu_tasks.mediakit import film as films
from gpu_tasks.mediakit.faces.detection import detect_faces
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.speech.recognition import Recogniser
from gpu_tasks.runtime.engine import Engine, Workspace
from gpu_tasks.runtime.stages import Stage
from gpu_tasks.video_query import text_recognition
from gpu_tasks.video_query.answers import SUMMARY, build_answer, parse_question
from gpu_tasks.video_query.contract import (
    MAX_SEGMENT_TEXT,
    SpokenSegment,
    VideoQueryPayload,
    VideoQueryResult,
)
from gpu_tasks.video_query.measures import MAX_SIDE, RATE, measure_film, measure_sound_levels

WATCHING_SHARE = 0.5
"""The share of the work that measuring pictures takes if speech is recognised as well."""
SURE_FACE = 0.75
"""The detector's score from which a face counts; patterns have reached 0.65."""


class DraftEngine(Engine):
    """An engine that answers what can be measured, and says what cannot."""

    model = f"measures of pictures, PP-OCRv6, {Recogniser.model}"

    def __init__(self) -> None:
        self._recogniser = Recogniser()

    def run(self, payload: VideoQueryPayload, workspace: Workspace) -> VideoQueryResult:
        """Answer the question; ``seed`` has no effect, because nothing here is random."""
        workspace.enter(Stage.READING)
        question = parse_question(payload.question)
        topics = question.topics or SUMMARY
        reads_text = "text" in topics
        side = text_recognition.SIDE if reads_text else MAX_SIDE
        film = films.probe(workspace.input("video"), max_side=side, frame_rate=RATE)
        recognises_speech = payload.segments is None and film.has_sound and "speech" in topics
        share = WATCHING_SHARE if recognises_speech else 1.0
        measures = measure_film(
            film,
            workspace.progress_within(0.0, share),
            count_faces=_count_faces if "face" in topics else None,
            read=text_recognition.read_lines if reads_text else None,
        )
        pictures = measures.change.size
        if film.has_sound and "sound" in topics:
            levels = measure_sound_levels(film.path, pictures, lambda _: workspace.progress(share))
            measures = replace(measures, levels=levels)
        segments = payload.segments
        if recognises_speech:
            segments = self._recognise_speech(film.path, workspace.progress_within(share, 1.0))
        workspace.progress(1.0)
        text, evidence = build_answer(question, replace(measures, speech=segments))
        return VideoQueryResult(
            answer=text,
            evidence=evidence,
            duration_ms=measures.duration_ms,
            frames_sampled=pictures,
        )

    def _recognise_speech(
        self, media: Path, tick: Callable[[float], None]
    ) -> tuple[SpokenSegment, ...]:
        return tuple(
            SpokenSegment(
                start_ms=passage.words[0].start_ms,
                end_ms=passage.words[-1].end_ms,
                text=passage.text[:MAX_SEGMENT_TEXT],
            )
            for passage in self._recogniser.recognise(media, tick).passages
        )


def _count_faces(frame: Frame) -> int:
    return sum(face.score >= SURE_FACE for face in detect_faces(frame))
