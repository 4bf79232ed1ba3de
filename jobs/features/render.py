"""Rendering: the project's timeline as a film, of which only what has changed is made."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

from pydantic import Field
from rest_framework import serializers

from auteur.core.api.choices import ChoiceField
from gpu_tasks.render import contract
from gpu_tasks.runtime.contract import PlainModel
from gpu_tasks.runtime.errors import EngineError, ErrorCode
from jobs.features.base import Feature
from jobs.features.files import Output, Read, Write
from jobs.features.parameters import Parameters, ProjectField
from jobs.models import Attempt, Job
from jobs.renders import PROBLEMS, take_timeline_snapshot
from media.models import MediaFile
from media.provenance.source_types import ASSEMBLED
from projects.models import Project
from projects.rendering import timelines
from projects.serializers import ResolutionField


class RenderOutput(contract.RenderResult):
    """The result of a render, with the version of the timeline and the effects that are missing."""

    version: int = Field(description="The version of the EDL that was rendered.")
    ignored_effects: list[str] = Field(description="Types of effects that are not rendered.")


class RenderParameters(Parameters):
    """`POST /jobs/render`."""

    problems = PROBLEMS

    project_id = ProjectField()
    format = ChoiceField(choices=list(contract.Format), default="mp4")
    resolution = ResolutionField(
        required=False, help_text="Width and height of the film. Default: those of the project."
    )
    captions = ChoiceField(choices=list(contract.Captions), default="none")
    loudness_lufs = serializers.FloatField(
        required=False,
        min_value=contract.MIN_LUFS,
        max_value=contract.MAX_LUFS,
        help_text="The target loudness, such as -14. Default: the loudness of the mix.",
    )
    proxy = serializers.BooleanField(default=False, help_text="Render a small and fast preview.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Take a snapshot of the current timeline, which will be rendered and charged."""
        attrs = super().validate(attrs)
        attrs.setdefault("resolution", attrs["project_id"].resolution)
        attrs["timeline"] = take_timeline_snapshot(attrs, self.context.get("budget"), FEATURE.price)
        return attrs


class _Render(Feature):
    name = "render"
    summary = "Render the timeline of a project"
    limits: ClassVar[Mapping[str, int]] = {"longest_ms": contract.MAX_OUTPUT_MS}
    contract = contract.CONTRACT
    making = ASSEMBLED
    parameters = RenderParameters
    output = RenderOutput
    tariff: ClassVar[Mapping[str, int]] = {"credits": 1, "per_started_ms": 60_000}
    measured = "project_id"
    example: ClassVar[Mapping[str, Any]] = {
        "project_id": ["speaker.mp4", "portrait.mp4"],
        "resolution": "1280x720",
    }

    def amount(self, parameters: Mapping[str, Any]) -> int:
        """Return the length of the project's timeline in milliseconds."""
        return int(parameters["timeline"]["duration_ms"])

    def media_ids(self, parameters: Mapping[str, Any]) -> list[UUID]:
        """Return all media on the timeline."""
        return [UUID(media_id) for media_id in parameters["timeline"]["media_ids"]]

    def outputs(self, parameters: Mapping[str, Any]) -> Sequence[Output]:
        """Return the film."""
        kind = contract.CONTENT_TYPES[contract.Format(parameters["format"])]
        return [Output(kind, label="proxy" if parameters["proxy"] else "")]

    def title(self, parameters: Mapping[str, Any], sources: Sequence[MediaFile]) -> str:
        """Return the project's name."""
        project = Project.objects.filter(pk=parameters["project_id"]).first()
        return project.name if project else self.name

    def prepare(self, job: Job, attempt: Attempt) -> dict[str, Any]:
        """Return the timeline, the cached segments, and the sources of the missing segments."""
        parameters = job.parameters
        project = Project.objects.filter(pk=parameters["project_id"], user_id=job.user_id).first()
        if project is None:
            raise EngineError(ErrorCode.INPUT_INVALID, "The project has been deleted.")
        output = timelines.build_output(parameters)
        inputs = timelines.list_inputs(
            project, timeline=parameters["timeline"]["name"], output=output
        )
        return super().prepare(job, attempt) | {
            "timeline": inputs.timeline.model_dump(mode="json"),
            "output": output.model_dump(mode="json"),
            "sources": [key and Read(key, key.rsplit("/", 1)[-1]) for key in inputs.sources],
            "ready": [Read(key, key.rsplit("/", 1)[-1]) for key in inputs.ready],
            "made": [Write(key, "application/octet-stream") for key in inputs.new_segments],
        }

    def collect(self, attempt: Attempt, result: PlainModel) -> dict[str, Any]:
        """Add the version of the timeline, and the effects that are not in the film."""
        timeline = attempt.job.parameters["timeline"]
        details = {name: timeline[name] for name in ("version", "ignored_effects")}
        return {**super().collect(attempt, result), **details}


FEATURE = _Render()
