"""`make demo FEATURE=…`: run one feature or all of them, on samples or on your own files."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auteur_client import AuteurError, ProblemError
from auteur_client.api.models import Media

from auteur.devstack.demo_features import MEDIA, TIMELINE
from auteur.devstack.errors import StackError
from auteur.devstack.screen import Json, Screen, format_time
from auteur.devstack.visitor import Visitor, describe_error, describe_outcome

SAMPLES = Path(__file__).parent / "samples"
TRACK = "demo"
MAX_SHOWN = 100
DRAFT_NOTE = (
    "Draft engines made these results, so text, voices and pictures are poor. "
    "Real models: docs/real-models.md"
)

OnJob = Callable[[Json, Json, Json], None]
"""Called with a feature, the request body, and the job that has ended."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    feature: str
    engine: str
    seconds: float
    credits: int
    result: str


class Tour:
    """A run of features with the examples of their declarations."""

    def __init__(
        self, visitor: Visitor, screen: Screen, folder: Path, on_job: OnJob | None = None
    ) -> None:
        self._visitor = visitor
        self._screen = screen
        self._folder = folder
        self._on_job = on_job

    def show(self, features: Sequence[Json], files: Sequence[Path]) -> None:
        """Run these features. ``files`` replace a feature's samples in order."""
        rows = [self._run_safely(feature, files) for feature in features]
        self._screen.title("Results")
        self._screen.table(
            ("Feature", "Engine", "Seconds", "Credits", "Result"),
            [(r.feature, r.engine, f"{r.seconds:.1f}", r.credits, r.result) for r in rows],
        )
        if any(feature.get("engine") == "draft" for feature in features):
            self._screen.line(DRAFT_NOTE)

    def _run_safely(self, feature: Json, files: Sequence[Path]) -> Row:
        """Return the row of one feature. An error becomes its result."""
        started_at = time.monotonic()
        self._screen.title(f"{feature['slug']}: {feature['summary']}")
        try:
            return self._run_feature(feature, files)
        except (AuteurError, StackError, OSError) as exc:
            reason = (
                f"The API refused the request: {exc}" if isinstance(exc, ProblemError) else str(exc)
            )
            self._screen.check(False, reason)
            return Row(feature["slug"], "", time.monotonic() - started_at, 0, f"failed: {reason}")

    def _run_feature(self, feature: Json, files: Sequence[Path]) -> Row:
        slug = feature["slug"]
        if feature["plan"]:
            self._visitor.set_plan(feature["plan"])
        body = self._build_body(feature, iter(files))
        started_at = time.monotonic()
        job, _ = self._visitor.run_job(slug, body)
        seconds = time.monotonic() - started_at
        self._screen.check(job["status"] == "completed", describe_outcome(job))
        if self._on_job:
            self._on_job(feature, body, job)
        output = job["output_data"] or {}
        engine_data = output.get("engine")
        engine = f"{engine_data['name']} {engine_data['model']}" if engine_data else ""
        result = self._download_result(slug, output) if output else describe_error(job)
        return Row(slug, engine, seconds, self._count_credits(job), result)

    def _count_credits(self, job: Json) -> int:
        """Return the credits that the job has cost, without refunds."""
        return -sum(row["amount"] for row in self._visitor.transactions(job["id"]))

    def _build_body(self, feature: Json, files: Iterator[Path]) -> Json:
        """Return the example, with uploaded samples or files in it."""
        project_id = str(self._visitor.client.create_project(f"Demo, {feature['slug']}").id)

        def upload_value(name: str, value: Any) -> Any:
            if name.endswith(MEDIA):
                return str(self._upload(project_id, value, files).id)
            if name == TIMELINE:
                self._cut_film(project_id, [self._upload(project_id, v, files) for v in value])
                return project_id
            return value

        return {name: upload_value(name, value) for name, value in feature["example"].items()}

    def _upload(self, project_id: str, sample: str, files: Iterator[Path]) -> Media:
        return self._visitor.upload(project_id, next(files, SAMPLES / sample))

    def _cut_film(self, project_id: str, media: Sequence[Media]) -> None:
        """Place the films one after the other on the project's timeline."""
        operations: list[Json] = [
            {"op": "add_track", "track_id": TRACK, "type": "video", "name": "Video 1"}
        ]
        start_ms = 0
        for file in media:
            operations.append(_build_operation(file, start_ms))
            start_ms += file.duration_ms or 0
        self._visitor.client.edit(project_id, operations)
        self._screen.line(f"cut a film of {format_time(start_ms)} from {len(media)} clips")

    def _download_result(self, slug: str, output: Mapping[str, Any]) -> str:
        """Download the files of a result and return their paths, or return the answer as text."""
        paths = [
            self._visitor.client.download(
                file["download_url"], self._folder / slug / build_file_name(file["name"])
            )
            for file in output.get("media", [])
        ]
        if paths:
            current_folder = Path.cwd()
            return "\n".join(
                str(
                    path.relative_to(current_folder)
                    if path.is_relative_to(current_folder)
                    else path
                )
                for path in paths
            )
        text = output.get("answer") or _join_transcript(output)
        self._screen.line(text)
        if evidence := output.get("evidence"):
            self._screen.evidence(evidence)
        return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def build_file_name(name: str) -> str:
    """Return a file name that a shell reads as one word."""
    return re.sub(r"[^\w.-]+", "-", name).lstrip("-.") or "result"


def _build_operation(media: Media, start_ms: int) -> Json:
    return {
        "op": "add_clip",
        "track_id": TRACK,
        "media_file_id": str(media.id),
        "start_ms": start_ms,
        "in_point_ms": 0,
        "out_point_ms": media.duration_ms,
    }


def _join_transcript(output: Mapping[str, Any]) -> str:
    segments = output.get("transcript", {}).get("segments", [])
    return " ".join(segment["text"] for segment in segments)
