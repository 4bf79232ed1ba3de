"""What a feature declares."""

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

from auteur.api.problems import Problem
from gpu_tasks.runtime.contract import Contract, GpuClass, PlainModel
from jobs.features import files
from jobs.features.files import Output
from jobs.features.parameters import SEEDS, MediaField, Parameters, VoiceField
from jobs.models import PRICE_VERSION_LENGTH, Attempt, Job
from media.models import MediaFile
from media.provenance.source_types import Making

STARTED = "per_started_"
MAX_PRICE = 10_000_000
"""Of a job, whatever its rates and its length; those of a batch can be added up in a column."""


class Feature:
    """One AI feature. Subclasses say what differs; instances hold no state."""

    name: ClassVar[str]
    """A job's `type`."""
    summary: ClassVar[str]
    contract: ClassVar[Contract]
    parameters: ClassVar[type[Parameters]]
    tariff: ClassVar[Mapping[str, int]] = {}
    """The numbers of `price`: ``credits`` for each started unit, and ``base`` besides. A unit is as
    many as ``per_started_ms`` (or ``_characters``, …) says; without such a number, one."""
    measured: ClassVar[str] = ""
    """The parameter whose amount the tariff is for."""
    limits: ClassVar[Mapping[str, int]] = {}
    """By name, those that do not follow from a parameter."""
    stored_apart: ClassVar[Mapping[str, type[BaseModel]]] = {}
    """What of its output lies in the object that ``result_key`` names, once its jobs are completed,
    and how it is read (`jobs.outputs`): one name at most."""
    output: ClassVar[type[BaseModel] | None] = None
    """What `collect` makes of the contract's result, as clients read it; None: that result itself.
    What `jobs.output_models` adds is left out."""
    making: ClassVar[Making | None]
    """How its media are made, for their content credentials (`media.provenance`); None where it
    makes none. There is no default: it would sign the results with a wrong type."""
    example: ClassVar[Mapping[str, Any]] = {}
    """Parameters to try it with. For a media file's id stands the name of a sample in
    `auteur/devstack/samples/`, for a project's id the names of those on its timeline."""
    plan: ClassVar[str | None] = None
    """The plan that a user must have, if any."""
    max_attempts: ClassVar[int] = 3
    max_wait: ClassVar[timedelta] = timedelta(hours=6)
    """Longest time pending; the job fails with a refund after it."""
    expected_seconds: ClassVar[float] = 5.0
    """When a running call is first polled, if it has not called back."""

    def __init_subclass__(cls) -> None:
        """Raise ``TypeError`` where ``making`` is missing or contradicts ``outputs``."""
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
        """What its parameters are refused with, besides 400."""
        fields = self.parameters().fields.values()
        of_fields = (problem for each in fields for problem in getattr(each, "problems", ()))
        return (*self.parameters.problems, *of_fields)

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
    def makes_media(self) -> bool:
        """Whether its results are files, which are inspected and signed when they are collected."""
        return self.making is not None

    @property
    def is_enabled(self) -> bool:
        """Whether jobs of it are taken, by setting; those that are open go on in any case."""
        return self.name not in settings.FEATURES_DISABLED

    @property
    def gpu_class(self) -> GpuClass:
        """The hardware that its calls occupy: drafts need a CPU only."""
        return self.contract.gpu if self.engine == "production" else GpuClass.CPU

    @property
    def at_once(self) -> int | None:
        """How many of its calls may run at once; None where only the class limits them.

        What its contract declares is meant for GPUs; what is set holds on CPUs, too.
        """
        is_set = "at_once" in self.contract.defaults
        return self.contract.at_once if is_set or self.gpu_class is not GpuClass.CPU else None

    @property
    def run_limit(self) -> timedelta:
        """Longest time from admission to the end, all attempts together."""
        return timedelta(seconds=self.contract.time_limit_seconds * self.max_attempts + 300)

    @property
    def rates(self) -> Mapping[str, int]:
        """The tariff, with the numbers that are set (`FEATURE_PRICES`) in place of its own."""
        return {**self.tariff, **configured_rates(self.name)}

    @property
    def least_price(self) -> int:
        """Return the credits that the shortest job costs."""
        rates = self.rates
        return min(MAX_PRICE, rates.get("base", 0) + rates.get("credits", 0))

    def price(self, parameters: Mapping[str, Any]) -> int:
        _, per = self.unit
        rates, started = self.rates, per_started(self.amount(parameters), per)
        return min(MAX_PRICE, rates.get("base", 0) + started * rates["credits"])

    def amount(self, parameters: Mapping[str, Any]) -> int:
        """What the tariff counts: a media file's milliseconds, a text's characters, or a number."""
        value = parameters[self.measured]
        if isinstance(value, MediaFile):
            return value.duration_ms or 0
        return len(value) if isinstance(value, str) else int(value)

    @property
    def unit(self) -> tuple[str, int]:
        """What the tariff counts, and how many of them cost its ``credits``."""
        for name, per in self.rates.items():
            if name.startswith(STARTED):
                return name.removeprefix(STARTED), per
        return self.measured.rpartition("_")[2], 1

    @property
    def price_version(self) -> str:
        """Changes when the rates do: a hash of them."""
        tariff = json.dumps([self.name, dict(self.rates)], sort_keys=True)
        return hashlib.sha256(tariff.encode()).hexdigest()[:PRICE_VERSION_LENGTH]

    def used_credits(self, job: Job, output: Mapping[str, Any]) -> int:
        """The part of the price that the output is worth, at least 1; the rest is refunded."""
        return job.credits_cost

    def project_id(self, parameters: Mapping[str, Any]) -> UUID | None:
        """The project that the result belongs to: the named one, else that of its first media."""
        project = parameters.get("project_id")
        media = (value for value in parameters.values() if isinstance(value, MediaFile))
        return project.pk if project else next((one.project_id for one in media), None)

    def media_ids(self, parameters: Mapping[str, Any]) -> list[UUID]:
        """The media that the job reads, which nobody may delete while it is open."""
        return [value.pk for value in parameters.values() if isinstance(value, MediaFile)]

    def given(self, job: Job) -> dict[str, Any]:
        """The parameters that the job's user gave, without what old jobs hold besides."""
        names = self.parameters().fields
        return {name: value for name, value in (job.input_params or {}).items() if name in names}

    def outputs(self, parameters: Mapping[str, Any]) -> Sequence[Output]:
        """The media that a job with these stored parameters makes: the payload's ``result``, or
        ``results`` where the contract has these.
        """
        return ()

    def most_bytes(self, parameters: Mapping[str, Any]) -> int | None:
        """How large a result may be at most, if its user has said so."""
        return None

    def title(self, parameters: Mapping[str, Any], sources: Sequence[MediaFile]) -> str:
        """What the results are named after."""
        if sources:
            return PurePath(sources[0].name).stem
        return str(parameters.get("prompt") or parameters.get("text") or self.name)

    def prepare(self, job: Job, attempt: Attempt) -> dict[str, Any]:
        """The call's payload, with ``Read`` and ``Write`` where the contract has files.

        Filled by name (docs/decisions/0011). Raises ``EngineError`` INPUT_INVALID where an input
        has been deleted.
        """
        parameters = job.parameters
        wanted = self.contract.payload.model_fields
        payload: dict[str, Any] = {}
        for name, field in self.parameters().get_fields().items():
            if isinstance(field, MediaField):
                payload[_file_field(name)] = files.read_of(job, parameters.get(name))
            elif isinstance(field, VoiceField):
                payload[_file_field(name)] = files.read_of_voice(job, parameters.get(name))
            elif name in wanted and name in parameters:
                payload[name] = parameters[name]
        if "seed" in wanted:
            payload["seed"] = parameters.get("seed", job.pk.int % SEEDS)
        writes = files.writes_of(attempt, self.outputs(parameters))
        if "results" in wanted:
            payload["results"] = writes
        elif writes:
            [payload["result"]] = writes
        return payload

    def collect(self, attempt: Attempt, result: PlainModel) -> dict[str, Any]:
        """The job's ``output_data`` from a validated result; keys named ``*_key`` are objects.

        The files that were made are inspected, and stand under ``media``.
        """
        output = result.model_dump(mode="json")
        parameters = attempt.job.parameters
        if self.making and (outputs := self.outputs(parameters)):
            title = self.title(parameters, files.sources_of(attempt.job))
            statement = files.statement_of(attempt, self.making, self.most_bytes(parameters))
            output["media"] = files.inspect_outputs(attempt, outputs, title, statement)
        return output

    def delivers(self, output: Mapping[str, Any]) -> bool:
        """Whether there is anything for `deliver` to do; who has a `deliver` of their own does."""
        return "media" in output or type(self).deliver is not Feature.deliver

    def deliver(self, job: Job, output: dict[str, Any]) -> None:
        """Put the output where it belongs; called again, it does nothing more."""
        if "media" in output:
            files.store_media(job, output)


def _file_field(parameter: str) -> str:
    """`video_media_id` is the payload's ``video``, `media_id` its ``media``."""
    return parameter.removesuffix("_id").removesuffix("_media")


class ValidatedParameters(dict[str, Any]):
    """All parameters of a job; ``given`` names those that its user gave.

    ``waits_for_media`` is True where a media file or voice among them is still being checked.
    """

    def __init__(
        self, parameters: Mapping[str, Any], given: Iterable[str], *, waits_for_media: bool = False
    ) -> None:
        super().__init__(parameters)
        self.given = frozenset(given)
        self.waits_for_media = waits_for_media


def to_stored_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Validated parameters as they are stored: rows by their ids."""
    return {
        name: str(value.pk) if isinstance(value, models.Model) else value
        for name, value in parameters.items()
    }


def configured_rates(feature: str) -> dict[str, int]:
    """The numbers of a feature's tariff that `FEATURE_PRICES` holds."""
    own = f"{feature}."
    return {
        name.removeprefix(own): value
        for name, value in settings.FEATURE_PRICES.items()
        if name.startswith(own)
    }


def per_started(amount: int, unit: int) -> int:
    """How many units have been started: 1 for 0, 1 for one unit, 2 for one more than that."""
    return max(1, -(-amount // unit))
