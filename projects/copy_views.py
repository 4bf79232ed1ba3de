"""Serve the endpoints of templates: placeholders of a project, and copies of it."""

from typing import Any, ClassVar
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from auteur.core.api.idempotency import idempotent
from auteur.core.api.requests import user_id
from auteur.core.api.scopes import Scope
from auteur.core.api.views import APIView
from media.models import MediaType
from projects import copying
from projects.access import get_edl_key
from projects.edl import EdlTooLargeProblem, TimelineMissingProblem
from projects.serializers import ProjectFieldsSerializer, ProjectSerializer


class PlaceholderSerializer(serializers.Serializer[Any]):
    """A media file that a timeline shows."""

    media_file_id = serializers.UUIDField()
    name = serializers.CharField(allow_null=True, help_text="Null if the media file was deleted.")
    type = serializers.ChoiceField(MediaType.choices, allow_null=True)
    track_types = serializers.ListField(
        child=serializers.ChoiceField(["audio", "video"]),
        help_text="The types of the tracks that show it. A replacement must fit all of them.",
    )
    clip_count = serializers.IntegerField()
    duration_ms = serializers.IntegerField(
        help_text="The time between the first and the last moment of the file that clips show. A "
        "replacement of at least this duration shortens no clip."
    )


class PlaceholdersSerializer(serializers.Serializer[Any]):
    """The placeholders of a project."""

    placeholders = PlaceholderSerializer(
        many=True, help_text="The placeholders in the order of the timeline."
    )


class CopyFieldsSerializer(ProjectFieldsSerializer):
    """The fields of a new copy. Missing fields have the template's values."""

    media = serializers.DictField(
        child=serializers.UUIDField(),
        required=False,
        help_text="The replacements: the `media_file_id` of each placeholder with the id of the "
        "file that replaces it. The file must be your own, ready, and of a type that fits the "
        f"tracks. At most {copying.MAX_REPLACED}; other placeholders keep their media.",
    )

    def validate_media(self, value: dict[str, UUID]) -> dict[UUID, UUID]:
        """Return the ids of files by the ids of placeholders."""
        if len(value) > copying.MAX_REPLACED:
            raise serializers.ValidationError(
                f"At most {copying.MAX_REPLACED} placeholders can be replaced in one copy. Leave "
                "some out.",
                "too_many",
            )
        return {serializers.UUIDField().run_validation(key): new for key, new in value.items()}


class CopySerializer(ProjectSerializer):
    """A project that was copied from another."""

    filled_clips = serializers.IntegerField(
        help_text="The number of clips with other media than in the template."
    )
    shortened_clips = serializers.IntegerField(
        help_text="The number of these clips that are shorter, because their media ends earlier."
    )
    left_out_clips = serializers.IntegerField(
        help_text="The number of clips that were left out, because their media ends before they "
        "begin."
    )

    class Meta(ProjectSerializer.Meta):
        fields = (
            *ProjectSerializer.Meta.fields,
            "filled_clips",
            "shortened_clips",
            "left_out_clips",
        )
        read_only_fields = fields


class PlaceholdersView(APIView):
    """`/projects/:id/placeholders`."""

    scopes: ClassVar = {"GET": Scope.READ}
    problems: ClassVar = {"GET": (TimelineMissingProblem,)}

    @extend_schema(summary="List the placeholders of a project", responses=PlaceholdersSerializer)
    def get(self, request: Request, project_id: UUID) -> Response:
        """Return the media of the project's timeline."""
        placeholders = copying.list_placeholders(**get_edl_key(request, project_id))
        rows = [
            {
                "media_file_id": placeholder.media_file_id,
                "name": file and file.name,
                "type": file and file.type,
                "track_types": sorted(placeholder.track_types),
                "clip_count": placeholder.clip_count,
                "duration_ms": placeholder.duration_ms,
            }
            for placeholder, file in placeholders
        ]
        return Response(PlaceholdersSerializer({"placeholders": rows}).data)


class CopiesView(APIView):
    """`/projects/:id/copies`."""

    scopes: ClassVar = {"POST": Scope.MEDIA}
    problems: ClassVar = {"POST": (TimelineMissingProblem, EdlTooLargeProblem)}

    @extend_schema(
        summary="Copy a project, with other media",
        description="Any project is a template. Tracks, clips and style are copied, and `media` "
        "replaces media of the timeline. A replacement is played from its beginning where the "
        "template shows the earliest moment of the replaced file. Clips keep their times; if a "
        "replacement is too short, its clips are shortened or left out. The media files stay in "
        "their own projects. Transcripts of replaced media are not copied.",
        request=CopyFieldsSerializer,
        responses={201: CopySerializer},
    )
    @idempotent
    def post(self, request: Request, project_id: UUID) -> Response:
        """Create the copy, and return it."""
        serializer = CopyFieldsSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        fields = dict(serializer.validated_data)
        media = fields.pop("media", {})
        copy = copying.copy_project(
            user_id=user_id(request), project_id=project_id, fields=fields, media=media
        )
        project, substitution = copy.project, copy.substitution
        body = ProjectSerializer(project).data | {
            "filled_clips": substitution.filled,
            "shortened_clips": substitution.shortened,
            "left_out_clips": substitution.left_out,
        }
        location = {"Location": reverse("project", args=[project.pk])}
        return Response(body, status=201, headers=location)
