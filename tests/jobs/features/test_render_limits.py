"""What cannot be rendered is refused before it is charged."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from credits import ledger
from media.models import MediaFile
from projects.models import Project
from tests.gpu_tasks.films import make_film
from tests.jobs.features.timelines import a_clip, edit, refused, track

pytestmark = pytest.mark.django_db(transaction=True)

Bring = Callable[..., MediaFile]


@pytest.fixture
def project(user: User) -> Project:
    return Project.objects.create(user=user, name="Film", resolution="160x90", frame_rate=25)


@pytest.fixture(params=["mute", "muted", "hidden"])
def silent(request: pytest.FixtureRequest, bring: Bring, tmp_path: Path) -> dict[str, Any]:
    """A track of a film without sound, of one that is muted, and of one whose sound is gone."""
    media = bring(make_film(tmp_path / "a.mp4", sound=request.param != "mute"), "video/mp4")
    if request.param == "hidden":
        return track(a_clip(media, 0, 1000, deleted=True), a_clip(_mute(bring, tmp_path), 0, 1000))
    effects = [{"type": "gain", "db": -60}] if request.param == "muted" else []
    return track(a_clip(media, 0, 1000, effects=effects))


def _mute(bring: Bring, folder: Path) -> MediaFile:
    return bring(make_film(folder / "b.mp4", sound=False), "video/mp4")


def test_the_sound_of_a_silent_timeline_is_refused(
    api: APIClient, user: User, project: Project, silent: dict[str, Any]
):
    edit(api, project, [silent])
    before = ledger.get_balance(user_id=user.pk)
    status, problem = refused(api, project.pk, format="m4a")
    assert (status, problem["code"]) == (422, "no_sound")
    assert ledger.get_balance(user_id=user.pk) == before
    assert refused(api, project.pk, format="mp4")[0] == 202


def film_of(api: APIClient, project: Project, media: MediaFile, end_ms: int) -> None:
    """A timeline of so many milliseconds, most of them black."""
    edit(api, project, [track(a_clip(media, end_ms - 1000, 1000))])


@pytest.mark.parametrize(
    ("format", "resolution", "rate", "longest_ms"),
    [
        ("mp4", "3840x2160", 30, 3_703_703),
        ("mp4", "1920x1080", 60, 7_407_407),
        ("webm", "1920x1080", 25, 6_666_666),
        ("mov", "8192x4352", 120, 67_318),
    ],
)
def test_a_film_that_cannot_be_made_in_time_is_refused(
    format: str,
    resolution: str,
    rate: int,
    longest_ms: int,
    api: APIClient,
    user: User,
    bring: Bring,
    tmp_path: Path,
):
    project = Project.objects.create(user=user, name="F", resolution=resolution, frame_rate=rate)
    media = bring(make_film(tmp_path / "a.mp4"), "video/mp4")
    before = ledger.get_balance(user_id=user.pk)
    film_of(api, project, media, longest_ms + 1)
    status, problem = refused(api, project.pk, format=format)
    assert (status, problem["code"]) == (422, "film_too_large")
    assert problem["longest_ms"] == longest_ms
    assert ledger.get_balance(user_id=user.pk) == before
    film_of(api, project, media, longest_ms)
    body = {"project_id": str(project.pk), "format": format}
    assert api.post("/jobs/render/estimate", body, format="json").status_code == 200


@pytest.mark.parametrize(
    ("resolution", "answer"), [("8192x4352", 202), ("4352x8192", 202), ("8192x4354", 422)]
)
def test_pictures_larger_than_any_player_shows_are_refused(
    resolution: str, answer: int, api: APIClient, project: Project, bring: Bring, tmp_path: Path
):
    film_of(api, project, bring(make_film(tmp_path / "a.mp4"), "video/mp4"), 1000)
    status, problem = refused(api, project.pk, resolution=resolution)
    assert (status, problem.get("code")) == (
        answer,
        "resolution_too_large" if answer == 422 else None,
    )
    assert refused(api, project.pk, resolution=resolution, proxy=True)[0] == 202


@pytest.mark.parametrize("fields", [{"format": "m4a"}, {"proxy": True}, {"resolution": "1280x720"}])
def test_four_hours_stay_possible(
    fields: dict[str, Any], api: APIClient, user: User, bring: Bring, tmp_path: Path
):
    project = Project.objects.create(user=user, name="F", resolution="3840x2160", frame_rate=60)
    film_of(api, project, bring(make_film(tmp_path / "a.mp4"), "video/mp4"), 4 * 3_600_000)
    body = {"project_id": str(project.pk), **fields}
    assert api.post("/jobs/render/estimate", body, format="json").status_code == 200


@pytest.mark.parametrize("captions", ["burned", "embedded"])
def test_captions_of_sound_alone_are_refused(
    captions: str, api: APIClient, project: Project, bring: Bring, tmp_path: Path
):
    edit(api, project, [track(a_clip(bring(make_film(tmp_path / "a.mp4"), "video/mp4"), 0, 1000))])
    status, problem = refused(api, project.pk, format="m4a", captions=captions)
    assert (status, problem["code"]) == (422, "captions_without_pictures")
    assert refused(api, project.pk, format="m4a", captions="none")[0] == 202
