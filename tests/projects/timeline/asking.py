"""Requests about an EDL in few words, and what comes back."""

import json
import uuid
from typing import Any

from rest_framework.test import APIClient

from media.models import MediaFile
from projects import transcript
from projects.models import Project
from tests.projects.timeline.making import clip, segment, track

JSON_PATCH = "application/json-patch+json"


def url(project: Project, rest: str = "/edl") -> str:
    return f"/projects/{project.pk}{rest}"


def tracks(media: MediaFile, *starts: int) -> list[dict[str, Any]]:
    clips = [clip(f"c{start}", start, start, start + 1000, media=str(media.pk)) for start in starts]
    return [track(*clips)]


def put(api: APIClient, project: Project, body: Any, tag: str = "*") -> Any:
    return api.put(url(project), body, format="json", headers={"If-Match": tag})


def operate(api: APIClient, project: Project, *operations: Any, **headers: str) -> Any:
    return api.patch(url(project), {"operations": operations}, format="json", headers=headers)


def json_patch(api: APIClient, project: Project, patch: Any, tag: str = "*") -> Any:
    return api.patch(
        url(project), json.dumps(patch), content_type=JSON_PATCH, headers={"If-Match": tag}
    )


def problem(response: Any) -> tuple[int, str]:
    assert response["Content-Type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


def errors(response: Any) -> list[tuple[str, str]]:
    assert problem(response) == (400, "invalid")
    return [(each["field"], each["code"]) for each in response.json()["errors"]]


def add(media: MediaFile, start: int, **more: Any) -> dict[str, Any]:
    source = {"media_file_id": str(media.pk), "in_point_ms": 0, "out_point_ms": 100}
    return {"op": "add_clip", "track_id": "v", "start_ms": start, **source, **more}


def speak(project: Project, media: MediaFile) -> str:
    """Have the media transcribed; the segment's id."""
    transcript.merge_transcript(
        project_id=project.pk,
        user_id=project.user_id,
        media_file_id=media.pk,
        job_id=uuid.uuid4(),
        segments=[segment("", 0, "one two three")],
    )
    found = transcript.read_transcript(project_id=project.pk, user_id=project.user_id)
    return str(found["segments"][0]["id"])
