"""Define what a feature declares."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import PurePath
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.db import models
from pydantic import BaseModel

from auteur.core.api.problems import Problem
from gpu_tasks.runtime.contract import Contract, GpuClass, PlainModel
from jobs.features import files
from jobs.features.files import Output
from jobs.features.parameters import SEEDS, MediaField, Parameters, VoiceField
from jobs.models import PRICE_VERSION_LENGTH, Attempt, Job
from media.models import MediaFile
from media.provenance.source_types import Making

PER_STARTED = "per_started_"
MAX_PRICE = 10_000_000
"""The highest price of a job. The prices of a batch, added up, fit into a column."""


class Feature:
    """One AI feature. Subclasses declare how it differs from others; instances hold no state."""

    name: ClassVar[str]
    """A job's `type`."""
    summary: ClassVar[str]
    contract: ClassVar[Contract]
    parameters: ClassVar[type[Parameters]]
    tariff: ClassVar[Mapping[str, int]] = {}
    """The numbers of `price`: ``credits`` for each started unit, plus ``base``. A unit has the size
    that ``per_started_ms`` (or ``_characters``, …) states; without such a number, its size is 1."""
    measured: ClassVar[str] = ""
    """The parameter whose amount the tariff is for."""
    limits: ClassVar[Mapping[str, int]] = {}
    """Limits by name, except those that follow from a parameter."""
    stored_apart: ClassVar[Mapping[str, type[BaseModel]]] = {}
    """The part of the output that lies in the object ``result_key`` once a job is completed, with
    the model that reads it (`jobs.outputs`). At most one name."""
    output: ClassVar[type[BaseModel] | None] = None
    """The output that `collect` builds from the contract's result, as clients read it. None means
    the result itself. The fields that `jobs.http.output_models` adds are left out."""
    making: ClassVar[Making | None]
    """How its media are made, for their content credentials (`media.provenance`); None if it makes
    no media. There is no default, because a wrong type would be signed."""
    example: ClassVar[Mapping[str, Any]] = {}
    """Parameters to try it with. A media file's id is replaced by the name of a sample in
    `auteur/devstack/samples/`, a project's id by the names of the samples on its timeline."""
    plan: ClassVar[str | None] = None
    """The plan that a user must have, if any."""
    max_attempts: ClassVar[int] = 3
    max_wait: ClassVar[timedelta] = timedelta(hours=6)
    """Longest time pending. After it the job fails with a refund."""
    expected_seconds: ClassVar[float] = 5.0
    """Time after which a running call is first polled, if it has not called back."""

    def __init_subclass__(cls) -> None:
        """Raise ``TypeError`` if ``making`` is missing or contradicts ``outputs``."""
        super().__init_subclass__()
        if not hasattr(cls, "making"):
            raise TypeError(
                f"{cls.__name__} does not declare how its media are made. Set making to a value of "
                "media.provenance.source_types, or to None if it makes no media."
            )
        if (cls.making is not None) != (cls.outputs is not Feature.outputs):
            raise TypeError(
                f"{cls.__name__} must have both making and outputs if it makes media, and making = "
                "None without outputs if it makes none."
            )

    @property
    def slug(self) -> str:
        return self.name.replace("_", "-")

    @property
    def problems(self) -> tuple[type[Problem], ...]:
        """Return the errors that its parameters can raise, besides 400."""
        fields = self.parameters().fields.values()
        field_problems = (problem for field in fields for problem in getattr(field, "problems", ()))
        return (*self.parameters.problems, *field_problems)

    @property
    def queue(self) -> str:
        """Return the Celery queue of its `prepare` and `dispatch` steps."""
        return f"jobs.{self.slug}"

    @property
    def backend(self) -> str:
        """Return the backend that runs its calls, by setting."""
        return str(settings.INFERENCE_BACKENDS.get(self.name, settings.INFERENCE_BACKEND))

    @property
    def engine(self) -> str:
        """Return the engine that runs its calls, by setting."""
        return str(settings.INFERENCE_ENGINES.get(self.name, settings.INFERENCE_ENGINE))

    @property
    def makes_media(self) -> bool:
        """Return True if its results are files, which are inspected and signed when collected."""
        return self.making is not None

    @property
    def is_enabled(self) -> bool:
        """Return True if new jobs are accepted, by setting; open jobs continue in any case."""
        return self.name not in settings.FEATURES_DISABLED

    @property
    def gpu_class(self) -> GpuClass:
        """Return the hardware that its calls occupy: drafts need a CPU only."""
        return self.contract.gpu if self.engine == "production" else GpuClass.CPU

    @property
    def at_once(self) -> int | None:
        """Return how many of its calls may run at once, or None if only the GPU class limits them.

        The contract's declared limit is for GPUs; a configured limit applies on CPUs, too.
        """
        is_set = "at_once" in self.contract.defaults
        return self.contract.at_once if is_set or self.gpu_class is not GpuClass.CPU else None

    @property
    def run_limit(self) -> timedelta:
        """Return the longest time from admission to the end, all attempts together."""
        return timedelta(seconds=self.contract.time_limit_seconds * self.max_attempts + 300)

    @property
    def rates(self) -> Mapping[str, int]:
        """Return the tariff, overridden by the numbers of the setting `FEATURE_PRICES`."""
        return {**self.tariff, **get_configured_rates(self.name)}

    @property
    def least_price(self) -> int:
        """Return the credits that the shortest job costs."""
        rates = self.rates
        return min(MAX_PRICE, rates.get("base", 0) + rates.get("credits", 0))

    def price(self, parameters: Mapping[str, Any]) -> int:
        _, per = self.unit
        rates, started_units = self.rates, count_started_units(self.amount(parameters), per)
        return min(MAX_PRICE, rates.get("base", 0) + started_units * rates["credits"])

    def amount(self, parameters: Mapping[str, Any]) -> int:
        """Return what the tariff counts: milliseconds of a file, characters, or a number."""
        value = parameters[self.measured]
        if isinstance(value, MediaFile):
            return value.duration_ms or 0
        return len(value) if isinstance(value, str) else int(value)

    @property
    def unit(self) -> tuple[str, int]:
        """Return what the tariff counts, and how many of them cost its ``credits``."""
        for name, per in self.rates.items():
            if name.startswith(PER_STARTED):
                return name.removeprefix(PER_STARTED), per
        return self.measured.rpartition("_")[2], 1

    @property
    def price_version(self) -> str:
        """Return a hash of the rates, which changes when they do."""
        tariff = json.dumps([self.name, dict(self.rates)], sort_keys=True)
        return hashlib.sha256(tariff.encode()).hexdigest()[:PRICE_VERSION_LENGTH]

    def used_credits(self, job: Job, output: Mapping[str, Any]) -> int:
        """Return the part of the price that the output is worth, at least 1.

        The rest is refunded.
        """
        return job.credits_cost

    def project_id(self, parameters: Mapping[str, Any]) -> UUID | None:
        """Return the project of the result: the named one, else that of its first media."""
        project = parameters.get("project_id")
        media = (value for value in parameters.values() if isinstance(value, MediaFile))
        return project.pk if project else next((file.project_id for file in media), None)

    def media_ids(self, parameters: Mapping[str, Any]) -> list[UUID]:
        """Return the media that the job reads; they cannot be deleted while it is open."""
        return [value.pk for value in parameters.values() if isinstance(value, MediaFile)]

    def get_user_parameters(self, job: Job) -> dict[str, Any]:
        """Return the parameters that the job's user gave, without unknown names of old jobs."""
        names = self.parameters().fields
        return {name: value for name, value in (job.input_params or {}).items() if name in names}

    def outputs(self, parameters: Mapping[str, Any]) -> Sequence[Output]:
        """Return the media that a job with these stored parameters makes.

        They are the payload's ``result``, or its ``results`` if the contract has these.
        """
        return ()

    def most_bytes(self, parameters: Mapping[str, Any]) -> int | None:
        """Return the largest allowed size of a result, if its user has set one."""
        return None

    def title(self, parameters: Mapping[str, Any], sources: Sequence[MediaFile]) -> str:
        """Return the title from which the results are named."""
        if sources:
            return PurePath(sources[0].name).stem
        return str(parameters.get("prompt") or parameters.get("text") or self.name)

    def prepare(self, job: Job, attempt: Attempt) -> dict[str, Any]:
        """Return the call's payload, with ``Read`` and ``Write`` if the contract has files.

        The payload is filled by name (docs/decisions/0011). Raises ``EngineError`` INPUT_INVALID if
        an input has been deleted.
        """
        parameters = job.parameters
        payload_fields = self.contract.payload.model_fields
        payload: dict[str, Any] = {}
        for name, field in self.parameters().get_fields().items():
            if isinstance(field, MediaField):
                payload[_get_payload_field(name)] = files.find_media_read(job, parameters.get(name))
            elif isinstance(field, VoiceField):
                payload[_get_payload_field(name)] = files.find_voice_read(job, parameters.get(name))
            elif name in payload_fields and name in parameters:
                payload[name] = parameters[name]
        if "seed" in payload_fields:
            payload["seed"] = parameters.get("seed", job.pk.int % SEEDS)
        writes = files.build_writes(attempt, self.outputs(parameters))
        if "results" in payload_fields:
            payload["results"] = writes
        elif writes:
            [payload["result"]] = writes
        return payload

    def collect(self, attempt: Attempt, result: PlainModel) -> dict[str, Any]:
        """Return the job's ``output_data`` from a validated result.

        Keys named ``*_key`` are objects. Output files are inspected, and listed under ``media``.
        """
        output = result.model_dump(mode="json")
        parameters = attempt.job.parameters
        if self.making and (outputs := self.outputs(parameters)):
            title = self.title(parameters, files.list_sources(attempt.job))
            statement = files.build_statement(attempt, self.making, self.most_bytes(parameters))
            output["media"] = files.inspect_outputs(attempt, outputs, title, statement)
        return output

    def delivers(self, output: Mapping[str, Any]) -> bool:
        """Return True if `deliver` has anything to do, as in a subclass with its own."""
        return "media" in output or type(self).deliver is not Feature.deliver

    def deliver(self, job: Job, output: dict[str, Any]) -> None:
        """Store the output where it belongs; calling it again changes nothing."""
        if "media" in output:
            files.store_media(job, output)


def _get_payload_field(parameter: str) -> str:
    """Return the payload's name: ``video`` for `video_media_id`, ``media`` for `media_id`."""
    return parameter.removesuffix("_id").removesuffix("_media")


class ValidatedParameters(dict[str, Any]):
    """All parameters of a job; ``explicit_names`` are those that its user gave.

    ``waits_for_media`` is True if a media file or voice among them is still being checked.
    """

    def __init__(
        self,
        parameters: Mapping[str, Any],
        explicit_names: Iterable[str],
        *,
        waits_for_media: bool = False,
    ) -> None:
        super().__init__(parameters)
        self.explicit_names = frozenset(explicit_names)
        self.waits_for_media = waits_for_media


def to_stored_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return validated parameters as they are stored: rows are replaced by their ids."""
    return {
        name: str(value.pk) if isinstance(value, models.Model) else value
        for name, value in parameters.items()
    }


def get_configured_rates(feature: str) -> dict[str, int]:
    """Return the numbers of a feature's tariff that the setting `FEATURE_PRICES` holds."""
    prefix = f"{feature}."
    return {
        name.removeprefix(prefix): value
        for name, value in settings.FEATURE_PRICES.items()
        if name.startswith(prefix)
    }


def count_started_units(amount: int, unit: int) -> int:
    """Return how many units have been started: 1 for 0 and for one unit, 2 for one more."""
    return max(1, -(-amount // unit))
