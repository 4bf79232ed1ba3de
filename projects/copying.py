"""Projects made of others, with other media in the place of what those show."""

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
"""Placeholders of one copy."""
TAKEN_OVER = ("description", "resolution", "frame_rate")
_BLANK: Final = Content([], [])


@dataclass(frozen=True)
class Copied:
    """The new project, and what became of its clips."""

    project: Project
    filled: Substitution


def list_placeholders(
    *, user_id: UUID, project_id: UUID
) -> list[tuple[Placeholder, MediaFile | None]]:
    """The media of a project's timeline in order, with their rows; None where one is gone."""
    document = edl.find_document(project_id=project_id, user_id=user_id, fields={"tracks": 1})
    found = media_substitution.list_placeholders(document["tracks"])
    files = sources.find_media_files(user_id, found.keys())
    return [(each, files.get(name)) for name, each in found.items()]


@transaction.atomic
def copy_project(
    *, user_id: UUID, project_id: UUID, fields: Mapping[str, Any], media: Mapping[UUID, UUID]
) -> Copied:
    """A new project, of what a project is now; ``media`` by the ids in whose places they come.

    Raises a 400 that names what cannot be filled.
    """
    source = get_project(user_id=user_id, project_id=project_id)
    wanted = {"tracks": 1, "transcript": 1, "captions_style": 1}
    document = edl.find_document(project_id=project_id, user_id=user_id, fields=wanted)
    transcript = document["transcript"]
    before = Content(document["tracks"], transcript["segments"], document.get("captions_style"))
    made = media_substitution.substitute_media(before, _fillings(user_id, before, media))
    rules.check_content(before, made.content)
    described = {name: getattr(source, name) for name in TAKEN_OVER} | dict(fields)
    project = Project.objects.create(user_id=user_id, **described)
    come = diff_clips(_BLANK, made.content)
    with sources.lock_media_of(
        user_id=user_id, before=_BLANK, after=made.content, touched=come
    ) as content:
        said = {**transcript, "segments": content.segments}
        edl.create_document(
            project,
            tracks=content.tracks,
            transcript=said,
            transcript_bytes=len(bson.encode(said)),
            captions_style=content.captions_style,
        )
    project.refresh_from_db()
    return Copied(project, made)


def _fillings(
    user_id: UUID, content: Content, media: Mapping[UUID, UUID]
) -> dict[str, Replacement]:
    shown = media_substitution.list_placeholders(content.tracks)
    files = sources.find_media_files(user_id, {str(media_id) for media_id in media.values()})
    pairs = [(str(place), files.get(str(new))) for place, new in media.items()]
    rules.raise_errors(_errors(shown, pairs))
    return {
        place: Replacement(str(file.pk), None if file.type == MediaType.IMAGE else file.duration_ms)
        for place, file in pairs
        if file is not None
    }


def _errors(
    shown: Mapping[str, Placeholder], pairs: list[tuple[str, MediaFile | None]]
) -> Iterator[rules.Error]:
    for place, file in pairs:
        name = f"media.{place}"
        if place not in shown:
            yield name, "unknown_placeholder", "The timeline shows no such media file."
        elif file is None:
            yield name, *sources.UNKNOWN_MEDIA
        else:
            for kind in sorted(shown[place].track_types):
                if file.type not in sources.TYPES_ON_TRACK[kind]:
                    yield name, "media_type", f"This is no file for {kind} tracks."
