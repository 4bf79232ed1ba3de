"""The endpoints of templates: what can be filled in a project, and copies of it."""

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
    name = serializers.CharField(allow_null=True, help_text="null where it has been deleted.")
    type = serializers.ChoiceField(MediaType.choices, allow_null=True)
    track_types = serializers.ListField(
        child=serializers.ChoiceField(["audio", "video"]), help_text="What fills it must fit all."
    )
    clip_count = serializers.IntegerField()
    duration_ms = serializers.IntegerField(
        help_text="From the first to the last that clips show of it: a file that lasts so long "
        "shortens none."
    )


class PlaceholdersSerializer(serializers.Serializer[Any]):
    """What can be filled."""

    placeholders = PlaceholderSerializer(many=True, help_text="In the order of the timeline.")


class CopyFieldsSerializer(ProjectFieldsSerializer):
    """A copy as a client describes it; what is absent is the template's."""

    media = serializers.DictField(
        child=serializers.UUIDField(),
        required=False,
        help_text="By the `media_file_id` of a placeholder, the id of the file in its place: your "
        f"own, ready, of a type for its tracks. At most {copying.MAX_FILLED}; others stay.",
    )

    def validate_media(self, value: dict[str, UUID]) -> dict[UUID, UUID]:
        """Return the ids of files by the ids of placeholders."""
        if len(value) > copying.MAX_FILLED:
            raise serializers.ValidationError(
                f"At most {copying.MAX_FILLED} placeholders are filled.", "too_many"
            )
        return {serializers.UUIDField().run_validation(key): new for key, new in value.items()}


class CopySerializer(ProjectSerializer):
    """A project that was made of another."""

    filled_clips = serializers.IntegerField(help_text="With other media than in the template.")
    shortened_clips = serializers.IntegerField(help_text="Of these, where the media ends sooner.")
    left_out_clips = serializers.IntegerField(help_text="Where it ends before the clip begins.")

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

    @extend_schema(
        summary="List what can be filled in a copy of a project", responses=PlaceholdersSerializer
    )
    def get(self, request: Request, project_id: UUID) -> Response:
        """The media of its timeline."""
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
        summary="Make a project of another, with other media",
        description="Any project is a template: tracks, clips and style are copied, and `media` "
        "takes the place of what its timeline shows. What fills a placeholder is played from its "
        "beginning where the template's file is shown earliest; clips stay where they are, and are "
        "shorter or left out where it ends too soon. The media stay in the projects that they are "
        "in; what was said in what is replaced is not copied.",
        request=CopyFieldsSerializer,
        responses={201: CopySerializer},
    )
    @idempotent
    def post(self, request: Request, project_id: UUID) -> Response:
        """The new project."""
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
