"""Define the parameter fields that feature declarations share."""

import threading
from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.core.validators import StepValueValidator
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from auteur.core.api.problems import NotFoundProblem, Problem, Resource
from auteur.core.api.unknown_fields import RequestSerializer
from auteur.core.net.callable_urls import CallableURLField
from gpu_tasks.runtime.prompts import MAX_PROMPT_CHARACTERS, to_readable
from media.access import get_media, get_voice
from media.consents.models import ConsentKind
from media.consents.records import ConsentRequiredProblem, has_consent
from media.models import MediaFile, MediaStatus, MediaType, Upload, VoiceClone
from projects.models import Project

MAX_QUOTE_LENGTH = 1000
SEEDS = 2**31
"""The number of seeds: a seed is a number from 0 to `SEEDS` - 1."""


class MediaNotUsableProblem(Problem):
    """Raised if a feature cannot use the media file. Nothing was charged."""

    status_code = 422
    default_code = "media_not_usable"

    def __init__(self, *, field: str, code: str, detail: str) -> None:
        super().__init__(detail, errors=[{"field": field, "code": code, "detail": detail}])


class MediaNotReadyProblem(MediaNotUsableProblem):
    """Raised if the media file is not confirmed, is being checked, or was refused."""

    def __init__(self, *, field: str, media: MediaFile) -> None:
        detail = "The upload has not been confirmed. Confirm it first."
        if media.status == MediaStatus.CHECKING:
            detail = "The file is being checked. Wait until its status is ready."
        elif media.refusal is not None:
            detail = f"The file was refused: {media.refusal.detail}"
        super().__init__(field=field, code="media_not_ready", detail=detail)


class _Id(serializers.UUIDField):
    """The field of an id as text. DRF alone would accept a number as well."""

    def to_internal_value(self, data: Any) -> UUID:
        """Return the id, whoever owns it; 400 for anything but text."""
        if not isinstance(data, str):
            self.fail("invalid", value=data)
        return super().to_internal_value(data)


@extend_schema_field(OpenApiTypes.UUID)
class MediaField(serializers.Field[MediaFile, str, str, Any]):
    """The field for the id of one of the user's confirmed media files of one of ``types``.

    A file that is still being checked is accepted if the job may wait for it. Its content is
    checked when the job is validated again.

    ``longest_ms`` returns the longest allowed duration for the configured engine. ``consent`` is
    the feature of a person that is used, or None if none is: each declaration must state it.
    """

    problems: ClassVar = (MediaNotUsableProblem, ConsentRequiredProblem)

    def __init__(
        self,
        *,
        types: tuple[MediaType, ...],
        consent: ConsentKind | None,
        sound: bool = False,
        longest_ms: Callable[[], int] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.consent = consent
        self.types = types
        self.sound = sound
        self.longest_ms = longest_ms

    def to_internal_value(self, data: Any) -> MediaFile:
        """Return the media file; 404 if it is not the user's, 422 if it cannot be used."""
        media_id = _Id().to_internal_value(data)
        try:
            media = get_media(user_id=self.context["user_id"], media_id=media_id)
        except NotFoundProblem as exc:
            raise NotFoundProblem(Resource.MEDIA_FILE, field=self.field_name) from exc
        if not _wait_for_check(media, self.context):
            self._check_content(media)
        if (
            self.consent
            and settings.FACE_CONSENT_REQUIRED
            and not has_consent(kind=self.consent, media=media)
        ):
            raise ConsentRequiredProblem(field=self.field_name or "", kind=self.consent)
        return media

    def to_representation(self, value: MediaFile) -> str:
        return str(value.pk)

    def _check_content(self, media: MediaFile) -> None:
        if media.status != MediaStatus.READY:
            raise MediaNotReadyProblem(field=self.field_name or "", media=media)
        if media.type not in self.types:
            types = " or ".join(self.types)
            self._refuse(
                "wrong_media_type", f"The file is {media.type}, but this parameter needs {types}."
            )
        if self.sound and not media.metadata.get("has_audio"):
            self._refuse("no_sound", "The file has no sound. Choose a file with sound.")
        if self.longest_ms is not None:
            check_length(self.longest_ms(), media, field=self.field_name or "")

    def _refuse(self, code: str, detail: str) -> None:
        raise MediaNotUsableProblem(field=self.field_name or "", code=code, detail=detail)


def _wait_for_check(row: Upload, context: Mapping[str, Any]) -> bool:
    """Return True if the row is being checked and the job may wait for it (``unchecked``)."""
    unchecked: list[Upload] | None = context.get("unchecked")
    if row.status != MediaStatus.CHECKING or unchecked is None:
        return False
    unchecked.append(row)
    return True


def check_length(longest_ms: int, media: MediaFile, *, field: str) -> None:
    """Raise 422 if the media lasts longer than the engine can process within its time."""
    if (media.duration_ms or 0) > longest_ms:
        minutes, seconds = divmod(longest_ms // 1000, 60)
        longest = f"{minutes} minutes" if minutes else f"{seconds} seconds"
        detail = f"The file is too long: at most {longest} are allowed. Cut it first."
        raise MediaNotUsableProblem(field=field, code="too_long", detail=detail)


class VoiceNotReadyProblem(Problem):
    """Raised if the voice's sample is not confirmed, is being checked, or was refused."""

    status_code = 422
    default_code = "voice_not_ready"
    default_detail = "The voice's sample has not been confirmed. Confirm it first."

    def __init__(self, *, field: str, voice: VoiceClone) -> None:
        detail = self.default_detail
        if voice.status == MediaStatus.CHECKING:
            detail = "The voice's sample is being checked. Wait until its status is ready."
        elif voice.status == MediaStatus.REJECTED and voice.rejection_detail:
            detail = f"The voice's sample was refused: {voice.rejection_detail}"
        error = {"field": field, "code": self.default_code, "detail": detail}
        super().__init__(detail, errors=[error])


@extend_schema_field(OpenApiTypes.UUID)
class VoiceField(serializers.Field[VoiceClone, str, str, Any]):
    """The id of one of the user's confirmed voices."""

    problems: ClassVar = (VoiceNotReadyProblem,)

    def to_internal_value(self, data: Any) -> VoiceClone:
        """Return the voice; 404 if it is not the user's, 422 if it cannot be used."""
        voice_id = _Id().to_internal_value(data)
        try:
            voice = get_voice(user_id=self.context["user_id"], voice_id=voice_id)
        except NotFoundProblem as exc:
            raise NotFoundProblem(Resource.VOICE, field=self.field_name) from exc
        if voice.status != MediaStatus.READY and not _wait_for_check(voice, self.context):
            raise VoiceNotReadyProblem(field=self.field_name or "", voice=voice)
        return voice

    def to_representation(self, value: VoiceClone) -> str:
        return str(value.pk)


@extend_schema_field(OpenApiTypes.UUID)
class ProjectField(serializers.Field[Project, str, str, Any]):
    """The id of one of the user's projects."""

    def to_internal_value(self, data: Any) -> Project:
        """Return the project; 404 if it is not the user's."""
        project_id = _Id().to_internal_value(data)
        project = Project.objects.filter(pk=project_id, user_id=self.context["user_id"]).first()
        if project is None:
            raise NotFoundProblem(Resource.PROJECT, field=self.field_name)
        return project

    def to_representation(self, value: Project) -> str:
        return str(value.pk)


def build_project_field() -> ProjectField:
    """Return the parameter for the project of a result."""
    return ProjectField(
        required=False,
        help_text="The project for the result. Default: the project of the first media file.",
    )


_thread_serializers = threading.local()


class Parameters(RequestSerializer):
    """The parameters of a feature."""

    problems: ClassVar[tuple[type[Problem], ...]] = ()
    """The errors of the parameters as a whole; fields have their own."""
    stored_as_given: ClassVar[frozenset[str]] = frozenset()
    """Names that `input_params` of a job has even if its user left them out."""

    quote_id = serializers.CharField(
        required=False,
        max_length=MAX_QUOTE_LENGTH,
        help_text="The quote of an estimate with the same parameters. The job then costs at most "
        "its price.",
    )
    callback_url = CallableURLField(
        required=False,
        help_text="A URL of your server, which receives a webhook when the job ends. It is "
        "signed with the secret from `GET /webhooks/callback-secret`.",
    )

    def get_fields(self) -> dict[str, Any]:
        """Return the fields, with ``project_id`` unless the feature declares its own."""
        return {"project_id": build_project_field(), **super().get_fields()}

    @classmethod
    def read(cls, data: Any, *, context: dict[str, Any]) -> dict[str, Any]:
        """Return the validated parameters; raise ``ValidationError`` or the fields' own problems.

        Each thread reuses its serializer, because copying the fields takes longer than using them.
        """
        serializers_by_class: dict[Any, Parameters] = _thread_serializers.__dict__
        # A nested call must not get the serializer that is in use.
        serializer = serializers_by_class.pop(cls, None) or cls()
        try:
            serializer.initial_data, serializer._context = data, context
            serializer.is_valid(raise_exception=True)
            parameters: dict[str, Any] = serializer.validated_data
            return parameters
        finally:
            for attribute in ("initial_data", "_context", "_validated_data", "_errors"):
                serializer.__dict__.pop(attribute, None)
            serializers_by_class[cls] = serializer


class MultipleOf(StepValueValidator):
    """The validator of numbers that must be a multiple of another."""

    message = "This must be a multiple of %(limit_value)s."
    code = "not_a_multiple"


@extend_schema_serializer(deprecate_fields=["duration_sec"])
class DurationParameters(Parameters):
    """The parameters of a feature whose result is as long as its user says, in whole seconds."""

    stored_as_given = frozenset({"duration_ms", "duration_sec"})

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Set ``duration_ms`` and ``duration_sec``, of which one must be given."""
        if "duration_ms" not in attrs and "duration_sec" not in attrs:
            message = self.fields["duration_ms"].error_messages["required"]
            raise serializers.ValidationError({"duration_ms": [message]}, code="required")
        attrs.setdefault("duration_ms", attrs.get("duration_sec", 0) * 1000)
        attrs.setdefault("duration_sec", attrs["duration_ms"] // 1000)
        if attrs["duration_ms"] != attrs["duration_sec"] * 1000:
            message = "`duration_sec` differs from `duration_ms`. Leave it out."
            raise serializers.ValidationError({"duration_sec": [message]}, code="invalid")
        return super().validate(attrs)


def duration_ms(*, least_seconds: int, most_seconds: int) -> serializers.IntegerField:
    """Return the field for the length of a result."""
    return serializers.IntegerField(
        required=False,
        min_value=least_seconds * 1000,
        max_value=most_seconds * 1000,
        validators=[MultipleOf(1000)],
        help_text="The length of the result, in whole seconds: a multiple of 1000. Required, "
        "unless `duration_sec` is given.",
    )


def duration_sec(*, least_seconds: int, most_seconds: int) -> serializers.IntegerField:
    """Return the deprecated field for the length of a result, which precedes ``duration_ms``."""
    return serializers.IntegerField(
        required=False,
        min_value=least_seconds,
        max_value=most_seconds,
        help_text="Deprecated: use `duration_ms`.",
    )


class PromptField(serializers.CharField):
    """The field of a prompt for a model: one line, without control characters."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": MAX_PROMPT_CHARACTERS} | options)

    def to_internal_value(self, data: Any) -> str:
        """Return the prompt as models get it; 400 if nothing of it is readable."""
        line = to_readable(super().to_internal_value(data))
        if not line:
            self.fail("blank")
        return line


def seed() -> serializers.IntegerField:
    """Return the parameter that makes a result reproducible."""
    return serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=SEEDS - 1,
        help_text="The same seed repeats the result. Default: a random one.",
    )
