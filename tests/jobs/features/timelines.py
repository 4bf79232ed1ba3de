"""Timelines over the API, and renders of them."""

import uuid
from typing import Any

from rest_framework.test import APIClient

from media.models import MediaFile
from projects.models import Project


def edit(api: APIClient, project: Project, tracks: list[dict[str, Any]]) -> None:
    """Give a project these tracks, whatever it had."""
    answer = api.put(
        f"/projects/{project.pk}/edl", {"tracks": tracks}, format="json", headers={"If-Match": "*"}
    )
    assert answer.status_code == 200, answer.json()


def track(*clips: dict[str, Any], kind: str = "video") -> dict[str, Any]:
    """A track."""
    track_id = str(uuid.uuid4())
    placed = [{**clip, "track_id": track_id} for clip in clips]
    return {"id": track_id, "type": kind, "name": kind, "clips": placed}


def a_clip(media: MediaFile, start_ms: int, length_ms: int, in_ms: int = 0, **more: Any) -> Any:
    """A clip for a track."""
    return {
        "id": str(uuid.uuid4()),
        "media_file_id": str(media.pk),
        "start_ms": start_ms,
        "duration_ms": length_ms,
        "in_point_ms": in_ms,
        "out_point_ms": in_ms + length_ms,
        **more,
    }


def refused(api: APIClient, project_id: object, **parameters: Any) -> tuple[int, dict[str, Any]]:
    """The status and the problem of a render, if it is refused."""
    answer = api.post("/jobs/render", {"project_id": str(project_id), **parameters}, format="json")
    return answer.status_code, answer.json()
