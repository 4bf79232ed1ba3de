"""`make demo FEATURE=…`: one feature or all of them, each on samples or on files of your own."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auteur_client import AuteurError, ProblemError
from auteur_client.api.models import Media

from auteur.devstack.errors import StackError
from auteur.devstack.offer import MEDIA, TIMELINE
from auteur.devstack.screen import Json, Screen, clock
from auteur.devstack.visitor import Visitor, outcome, why

SAMPLES = Path(__file__).parent / "samples"
TRACK = "demo"
MAX_SHOWN = 100
DRAFT_NOTE = (
    "Draft engines made these results: expect poor text, voices and pictures. "
    "Real models: docs/real-models.md"
)

OnJob = Callable[[Json, Json, Json], None]
"""Told a feature, what was asked of it, and the job that ended."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    feature: str
    engine: str
    seconds: float
    credits: int
    result: str


class Tour:
    """Runs features as their declarations say that they can be tried."""

    def __init__(
        self, visitor: Visitor, screen: Screen, folder: Path, on_job: OnJob | None = None
    ) -> None:
        self._visitor = visitor
        self._screen = screen
        self._folder = folder
        self._on_job = on_job

    def show(self, features: Sequence[Json], files: Sequence[Path]) -> None:
        """Run these features; ``files`` take the places of a feature's samples in order."""
        rows = [self._try(feature, files) for feature in features]
        self._screen.title("What was made")
        self._screen.table(
            ("Feature", "Engine", "Seconds", "Credits", "Result"),
            [(r.feature, r.engine, f"{r.seconds:.1f}", r.credits, r.result) for r in rows],
        )
        if any(feature.get("engine") == "draft" for feature in features):
            self._screen.line(DRAFT_NOTE)

    def _try(self, feature: Json, files: Sequence[Path]) -> Row:
        """Return the row of one feature; what failed is in its result."""
        began = time.monotonic()
        self._screen.title(f"{feature['slug']}: {feature['summary']}")
        try:
            return self._run(feature, files)
        except (AuteurError, StackError, OSError) as exc:
            reason = f"The API refused it: {exc}" if isinstance(exc, ProblemError) else str(exc)
            self._screen.check(False, reason)
            return Row(feature["slug"], "", time.monotonic() - began, 0, f"failed: {reason}")

    def _run(self, feature: Json, files: Sequence[Path]) -> Row:
        slug = feature["slug"]
        if feature["plan"]:
            self._visitor.set_plan(feature["plan"])
        body = self._body(feature, iter(files))
        began = time.monotonic()
        job, _ = self._visitor.run_job(slug, body)
        seconds = time.monotonic() - began
        self._screen.check(job["status"] == "completed", outcome(job))
        if self._on_job:
            self._on_job(feature, body, job)
        output = job["output_data"] or {}
        told = output.get("engine")
        engine = f"{told['name']} {told['model']}" if told else ""
        result = self._result(slug, output) if output else why(job)
        return Row(slug, engine, seconds, self._taken(job), result)

    def _taken(self, job: Json) -> int:
        """Credits that the job has cost, what was refunded left out."""
        return -sum(row["amount"] for row in self._visitor.transactions(job["id"]))

    def _body(self, feature: Json, files: Iterator[Path]) -> Json:
        """The example with its samples, or the files in their place, uploaded."""
        project_id = str(self._visitor.client.create_project(f"Demo, {feature['slug']}").id)

        def filled(name: str, value: Any) -> Any:
            if name.endswith(MEDIA):
                return str(self._upload(project_id, value, files).id)
            if name == TIMELINE:
                self._cut(project_id, [self._upload(project_id, v, files) for v in value])
                return project_id
            return value

        return {name: filled(name, value) for name, value in feature["example"].items()}

    def _upload(self, project_id: str, sample: str, files: Iterator[Path]) -> Media:
        return self._visitor.upload(project_id, next(files, SAMPLES / sample))

    def _cut(self, project_id: str, media: Sequence[Media]) -> None:
        """Lay films one behind the other on the project's timeline."""
        operations: list[Json] = [
            {"op": "add_track", "track_id": TRACK, "type": "video", "name": "Video 1"}
        ]
        start_ms = 0
        for one in media:
            operations.append(_clip(one, start_ms))
            start_ms += one.duration_ms or 0
        self._visitor.client.edit(project_id, operations)
        self._screen.line(f"cut a film of {clock(start_ms)} from {len(media)} clips")

    def _result(self, slug: str, output: Mapping[str, Any]) -> str:
        """What was made: files, downloaded, or the answer."""
        made = [
            self._visitor.client.download(
                file["download_url"], self._folder / slug / file_name(file["name"])
            )
            for file in output.get("media", [])
        ]
        if made:
            here = Path.cwd()
            return "\n".join(
                str(path.relative_to(here) if path.is_relative_to(here) else path) for path in made
            )
        text = output.get("answer") or _spoken(output)
        self._screen.line(text)
        if evidence := output.get("evidence"):
            self._screen.evidence(evidence)
        return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def file_name(name: str) -> str:
    """Return a file name that a shell reads as one word."""
    return re.sub(r"[^\w.-]+", "-", name).lstrip("-.") or "result"


def _clip(media: Media, start_ms: int) -> Json:
    return {
        "op": "add_clip",
        "track_id": TRACK,
        "media_file_id": str(media.id),
        "start_ms": start_ms,
        "in_point_ms": 0,
        "out_point_ms": media.duration_ms,
    }


def _spoken(output: Mapping[str, Any]) -> str:
    segments = output.get("transcript", {}).get("segments", [])
    return " ".join(segment["text"] for segment in segments)
