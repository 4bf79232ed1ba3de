"""Copy projects as templates, with other media in place of their placeholders."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import bson
from django.db import transaction

from media.models import MediaFile, MediaType
from projects import edl
from projects.access import get_project
from projects.models import Project
from projects.timeline import media_substitution, rules, sources
from projects.timeline.clip_diff import diff_clips
from projects.timeline.content import Content
from projects.timeline.media_substitution import Placeholder, Replacement, Substitution

MAX_FILLED = 50
"""Placeholders that one copy replaces."""
TAKEN_OVER = ("description", "resolution", "frame_rate")
_BLANK: Final = Content([], [])


@dataclass(frozen=True)
class Copied:
    """A new project, and the result of the substitution in its clips."""

    project: Project
    substitution: Substitution


def list_placeholders(
    *, user_id: UUID, project_id: UUID
) -> list[tuple[Placeholder, MediaFile | None]]:
    """Return the media of a project's timeline in order, each with its row, or None if deleted."""
    document = edl.find_document(project_id=project_id, user_id=user_id, fields={"tracks": 1})
    placeholders = media_substitution.list_placeholders(document["tracks"])
    files = sources.find_media_files(user_id, placeholders.keys())
    return [(placeholder, files.get(name)) for name, placeholder in placeholders.items()]


@transaction.atomic
def copy_project(
    *, user_id: UUID, project_id: UUID, fields: Mapping[str, Any], media: Mapping[UUID, UUID]
) -> Copied:
    """Create a copy of a project; ``media`` maps ids of placeholders to ids of replacements.

    Raises a 400 problem that names the placeholders that cannot be replaced.
    """
    source = get_project(user_id=user_id, project_id=project_id)
    document_fields = {"tracks": 1, "transcript": 1, "captions_style": 1}
    document = edl.find_document(project_id=project_id, user_id=user_id, fields=document_fields)
    transcript = document["transcript"]
    template = Content(document["tracks"], transcript["segments"], document.get("captions_style"))
    substitution = media_substitution.substitute_media(
        template, _build_replacements(user_id, template, media)
    )
    rules.check_content(template, substitution.content)
    values = {name: getattr(source, name) for name in TAKEN_OVER} | dict(fields)
    project = Project.objects.create(user_id=user_id, **values)
    new_clips = diff_clips(_BLANK, substitution.content)
    with sources.lock_media_of(
        user_id=user_id, before=_BLANK, after=substitution.content, diff=new_clips
    ) as content:
        new_transcript = {**transcript, "segments": content.segments}
        edl.create_document(
            project,
            tracks=content.tracks,
            transcript=new_transcript,
            transcript_bytes=len(bson.encode(new_transcript)),
            captions_style=content.captions_style,
        )
    project.refresh_from_db()
    return Copied(project, substitution)


def _build_replacements(
    user_id: UUID, content: Content, media: Mapping[UUID, UUID]
) -> dict[str, Replacement]:
    placeholders = media_substitution.list_placeholders(content.tracks)
    files = sources.find_media_files(user_id, {str(media_id) for media_id in media.values()})
    pairs = [
        (str(placeholder_id), files.get(str(new_id))) for placeholder_id, new_id in media.items()
    ]
    rules.raise_errors(_list_errors(placeholders, pairs))
    return {
        placeholder_id: Replacement(
            str(file.pk), None if file.type == MediaType.IMAGE else file.duration_ms
        )
        for placeholder_id, file in pairs
        if file is not None
    }


def _list_errors(
    placeholders: Mapping[str, Placeholder], pairs: list[tuple[str, MediaFile | None]]
) -> Iterator[rules.Error]:
    for placeholder_id, file in pairs:
        name = f"media.{placeholder_id}"
        if placeholder_id not in placeholders:
            yield name, "unknown_placeholder", "The timeline shows no such media file."
        elif file is None:
            yield name, *sources.UNKNOWN_MEDIA
        else:
            for kind in sorted(placeholders[placeholder_id].track_types):
                if file.type not in sources.TYPES_ON_TRACK[kind]:
                    yield name, "media_type", f"This is no file for {kind} tracks."
