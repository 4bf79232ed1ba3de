"""Rendering: the project's timeline as a film, of which only what has changed is made."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, cast
from uuid import UUID

from rest_framework import serializers

from gpu_tasks.contract import Wire
from gpu_tasks.errors import EngineError, ErrorCode
from gpu_tasks.render import contract
from gpu_tasks.render.plan import plan
from jobs.features.base import Feature, per_started
from jobs.features.files import Output, Read, Write
from jobs.features.parameters import Parameters, ProjectField
from jobs.models import Attempt, Job
from media.models import MediaFile
from media.storage import ObjectMissing
from projects import rendering
from projects.models import Project
from projects.serializers import ResolutionField

CONTENT_TYPES = {
    "mp4": "video/mp4",
    "webm": "video/webm",
    "mov": "video/quicktime",
    "m4a": "audio/mp4",
}
PROXY_SIDE = 640


class RenderParameters(Parameters):
    """`POST /jobs/render`."""

    project_id = ProjectField()
    format = serializers.ChoiceField(choices=list(contract.Format), default="mp4")
    resolution = ResolutionField(required=False, help_text="The project's if absent.")
    captions = serializers.ChoiceField(choices=list(contract.Captions), default="none")
    loudness_lufs = serializers.FloatField(
        required=False, min_value=contract.MIN_LUFS, max_value=contract.MAX_LUFS,
        help_text="Such as -14; as loud as it was mixed if absent.",
    )  # fmt: skip
    proxy = serializers.BooleanField(
        default=False, help_text="Small and fast, to look at and throw away."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The timeline as it is now is what will be rendered, and charged."""
        attrs = super().validate(attrs)
        project = attrs["project_id"]
        attrs.setdefault("resolution", project.resolution)
        kept = rendering.keep(project, with_captions=attrs["captions"] != "none")
        return {**attrs, "timeline": asdict(kept)}


class Render(Feature):
    """The declaration."""

    name = "render"
    summary = "Render the timeline of a project"
    contract = contract.CONTRACT
    parameters = RenderParameters
    derived = frozenset({"timeline"})
    tariff: ClassVar[Mapping[str, int]] = {"credits": 1, "per_started_ms": 60_000}
    example: ClassVar[Mapping[str, Any]] = {"project_id": ["interview.mp4"], "format": "mp4"}

    def price(self, parameters: Mapping[str, Any]) -> int:
        """One credit per started minute of the film."""
        units = per_started(parameters["timeline"]["duration_ms"], self.tariff["per_started_ms"])
        return units * self.tariff["credits"]

    def media_ids(self, parameters: Mapping[str, Any]) -> list[UUID]:
        """All that the timeline shows."""
        return [UUID(media_id) for media_id in parameters["timeline"]["media_ids"]]

    def outputs(self, parameters: Mapping[str, Any]) -> Sequence[Output]:
        """The film."""
        return [Output(CONTENT_TYPES[parameters["format"]], label="proxy" * parameters["proxy"])]

    def title(self, parameters: Mapping[str, Any], sources: Sequence[MediaFile]) -> str:
        """The project's name."""
        project = Project.objects.filter(pk=parameters["project_id"]).first()
        # What looks like an extension would be taken for one.
        return f"{project.name}." if project else self.name

    def prepare(self, job: Job, attempt: Attempt) -> dict[str, Any]:
        """The timeline, the stretches that are there, and the sources of those that are not."""
        parameters = cast(dict[str, Any], job.input_params)
        project = Project.objects.filter(pk=parameters["project_id"], user_id=job.user_id).first()
        if project is None:
            raise EngineError(ErrorCode.INPUT_INVALID, "The project has been deleted.")
        try:
            timeline = rendering.kept(project, parameters["timeline"]["name"])
        except ObjectMissing as exc:
            raise EngineError(ErrorCode.STORAGE_ERROR) from exc
        output = _output(parameters)
        stretches = plan(timeline, output).stretches
        there = rendering.stretches_of(project)
        missing = [one for name, one in stretches.items() if name not in there]
        needed = {piece.source for one in missing for piece in one.pieces}
        folder = rendering.folder_of(job.user_id, project.pk)
        return {
            **super().prepare(job, attempt),
            "timeline": timeline.model_dump(mode="json"),
            "output": output.model_dump(mode="json"),
            "sources": [
                Read(source.id, source.id.rsplit("/", 1)[-1]) if place in needed else None
                for place, source in enumerate(timeline.sources)
            ],
            "ready": [
                Read(there[name], there[name].rsplit("/", 1)[-1])
                for name in stretches
                if name in there
            ],
            "made": [
                Write(f"{folder}{one.name}.stretch", "application/octet-stream") for one in missing
            ],
        }

    def collect(self, attempt: Attempt, result: Wire) -> dict[str, Any]:
        """What was made, and what of the timeline is not in it."""
        timeline = cast(dict[str, Any], attempt.job.input_params)["timeline"]
        told = {name: timeline[name] for name in ("version", "ignored_effects")}
        return {**super().collect(attempt, result), **told}


def _output(parameters: Mapping[str, Any]) -> contract.Output:
    width, height = (int(side) for side in parameters["resolution"].split("x"))
    if parameters["proxy"]:
        shrink = min(1.0, PROXY_SIDE / max(width, height))
        width, height = (max(contract.MIN_SIDE, int(side * shrink)) for side in (width, height))
    return contract.Output(
        format=parameters["format"],
        width=width // 2 * 2,
        height=height // 2 * 2,
        frame_rate=parameters["timeline"]["frame_rate"],
        captions=parameters["captions"],
        loudness_lufs=parameters.get("loudness_lufs"),
        proxy=parameters["proxy"],
    )


FEATURE = Render()
