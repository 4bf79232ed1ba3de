"""What a feature declares, and the parameter fields that declarations share."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.db import models
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from auteur.api.problems import NotFound, Problem
from gpu_tasks.contract import Contract, GpuClass, Wire
from jobs.models import PRICE_VERSION_LENGTH, Attempt, Job
from media.access import owned_media
from media.models import MediaFile, MediaStatus, MediaType
from projects.models import Project

MAX_QUOTE_LENGTH = 1000


@dataclass(frozen=True)
class Read:
    """A stored object that the call reads; signed when the call is started."""

    key: str
    name: str


@dataclass(frozen=True)
class Write:
    """A stored object that the call writes; signed when the call is started."""

    key: str
    content_type: str


class MediaNotUsable(Problem):
    """The media exists, but this feature cannot work on it; nothing was charged."""

    status_code = 422
    default_code = "media_not_usable"

    def __init__(self, *, field: str, code: str, detail: str) -> None:
        super().__init__(detail, errors=[{"field": field, "code": code, "detail": detail}])


@extend_schema_field(OpenApiTypes.UUID)
class MediaField(serializers.Field[MediaFile, str, str, Any]):
    """The id of one of the user's confirmed media files, of one of ``types``."""

    def __init__(
        self, *, types: tuple[MediaType, ...], sound: bool = False, **options: Any
    ) -> None:
        super().__init__(**options)
        self.types = types
        self.sound = sound

    def to_internal_value(self, data: Any) -> MediaFile:
        """The media file; 404 if it is not the user's, 422 if it cannot be used."""
        media_id = serializers.UUIDField().to_internal_value(data)
        try:
            media = owned_media(user_id=self.context["user_id"], media_id=media_id)
        except NotFound as exc:
            raise _not_found(self.field_name) from exc
        if media.status != MediaStatus.READY:
            self._refuse("media_not_ready", "The upload has not been confirmed.")
        if media.type not in self.types:
            wanted = " or ".join(self.types)
            self._refuse("wrong_media_type", f"This is {media.type}; {wanted} is needed.")
        if self.sound and not media.metadata.get("has_audio"):
            self._refuse("no_sound", "The file has no sound.")
        return media

    def to_representation(self, value: MediaFile) -> str:
        """The id."""
        return str(value.pk)

    def _refuse(self, code: str, detail: str) -> None:
        raise MediaNotUsable(field=self.field_name or "", code=code, detail=detail)


@extend_schema_field(OpenApiTypes.UUID)
class ProjectField(serializers.Field[Project, str, str, Any]):
    """The id of one of the user's projects."""

    def to_internal_value(self, data: Any) -> Project:
        """The project; 404 if it is not the user's."""
        project_id = serializers.UUIDField().to_internal_value(data)
        project = Project.objects.filter(pk=project_id, user_id=self.context["user_id"]).first()
        if project is None:
            raise _not_found(self.field_name)
        return project

    def to_representation(self, value: Project) -> str:
        """The id."""
        return str(value.pk)


def _not_found(field: str | None) -> NotFound:
    error = {"field": field, "code": NotFound.default_code, "detail": NotFound.default_detail}
    return NotFound(errors=[error])


class Parameters(serializers.Serializer[Any]):
    """A feature's parameters; unknown names are refused, for a typo must not be charged."""

    quote_id = serializers.CharField(
        required=False,
        max_length=MAX_QUOTE_LENGTH,
        help_text="From an estimate of the same: the job then costs no more than it said.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse names that the feature does not have."""
        unknown = sorted(set(self.initial_data) - set(self.fields))
        if unknown:
            raise serializers.ValidationError(
                {name: ["This feature has no such parameter."] for name in unknown},
                code="unknown_parameter",
            )
        return attrs


class Feature:
    """One AI feature. Subclasses say what differs; instances hold no state."""

    name: ClassVar[str]
    """A job's `type`."""
    summary: ClassVar[str]
    contract: ClassVar[Contract]
    parameters: ClassVar[type[Parameters]]
    tariff: ClassVar[Mapping[str, int]] = {}
    """The numbers that `price` reckons with."""
    plan: ClassVar[str | None] = None
    """The plan that a user must have, if any."""
    max_attempts: ClassVar[int] = 3
    max_wait: ClassVar[timedelta] = timedelta(hours=6)
    """Longest time pending; the job fails with a refund after it."""
    expected_seconds: ClassVar[float] = 5.0
    """When a running call is first asked after, if it has not called back."""

    @property
    def slug(self) -> str:
        """The feature in URLs and queue names."""
        return self.name.replace("_", "-")

    @property
    def queue(self) -> str:
        """The Celery queue of its `prepare` and `dispatch` steps."""
        return f"jobs.{self.slug}"

    @property
    def backend(self) -> str:
        """Which backend its calls run on, by setting."""
        return str(settings.INFERENCE_BACKENDS.get(self.name, settings.INFERENCE_BACKEND))

    @property
    def engine(self) -> str:
        """Which engine its calls run, by setting."""
        return str(settings.INFERENCE_ENGINES.get(self.name, settings.INFERENCE_ENGINE))

    @property
    def gpu_class(self) -> GpuClass:
        """The hardware that its calls occupy: drafts need a CPU only."""
        return self.contract.gpu if self.engine == "production" else GpuClass.CPU

    @property
    def run_limit(self) -> timedelta:
        """Longest time from admission to the end, all attempts together."""
        return timedelta(seconds=self.contract.time_limit_seconds * self.max_attempts + 300)

    def price(self, parameters: Mapping[str, Any]) -> int:
        """Credits for validated parameters."""
        raise NotImplementedError

    @property
    def price_version(self) -> str:
        """Changes when the tariff does: a hash of it."""
        tariff = json.dumps([self.name, dict(self.tariff)], sort_keys=True)
        return hashlib.sha256(tariff.encode()).hexdigest()[:PRICE_VERSION_LENGTH]

    def used_credits(self, job: Job, output: Mapping[str, Any]) -> int:
        """What the output is worth of the job's price, at least 1; the rest is given back."""
        return job.credits_cost

    def project_id(self, parameters: Mapping[str, Any]) -> UUID | None:
        """The project that the result belongs to."""
        project = parameters.get("project_id")
        return project.pk if project else None

    def prepare(self, job: Job, attempt: Attempt) -> dict[str, Any]:
        """The call's payload, with ``Read`` and ``Write`` where the contract has files."""
        raise NotImplementedError

    def collect(self, attempt: Attempt, result: Wire) -> dict[str, Any]:
        """The job's ``output_data`` from a validated result; keys named ``*_key`` are objects."""
        return result.model_dump(mode="json")

    def deliver(self, job: Job, output: dict[str, Any]) -> None:
        """Put the output where it belongs, once however often called."""


def plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Validated parameters as a job keeps them: rows by their ids."""
    return {
        name: str(value.pk) if isinstance(value, models.Model) else value
        for name, value in parameters.items()
    }


def per_started(amount: int, unit: int) -> int:
    """How many units have been started: 1 for 0, 1 for one unit, 2 for one more than that."""
    return max(1, -(-amount // unit))
