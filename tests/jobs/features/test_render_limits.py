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
    before = ledger.balance_of(user_id=user.pk)
    status, problem = refused(api, project.pk, format="m4a")
    assert (status, problem["code"]) == (422, "no_sound")
    assert ledger.balance_of(user_id=user.pk) == before
    assert refused(api, project.pk, format="mp4")[0] == 202
