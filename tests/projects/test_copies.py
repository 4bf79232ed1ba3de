"""Projects made of others over HTTP, with placeholders filled."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from media import deletion
from media.models import MediaFile, MediaType
from projects import authoring, copying, edl
from projects.models import Project
from tests.projects.timeline.asking import put
from tests.projects.timeline.making import check_stored, clip, segment, track

pytestmark = pytest.mark.django_db

Make = Callable[..., MediaFile]
Stored = Callable[[Project], dict[str, Any]]


@pytest.fixture
def film(make_media: Make) -> MediaFile:
    return make_media(type=MediaType.VIDEO, duration_ms=60_000, name="Interview")


@pytest.fixture
def logo(make_media: Make) -> MediaFile:
    return make_media(type=MediaType.IMAGE, duration_ms=None, name="Logo")


@pytest.fixture
def music(make_media: Make) -> MediaFile:
    return make_media(duration_ms=90_000, name="Music")


@pytest.fixture
def template(
    api: APIClient, user: User, film: MediaFile, logo: MediaFile, music: MediaFile
) -> Project:
    """Two stretches of a film with a logo between, music under all, words of film and music."""
    fields = {"name": "Weekly", "resolution": "1080x1920", "frame_rate": 25, "description": "D"}
    project = authoring.create_project(user_id=user.pk, fields=fields)
    logo_id, music_id, film_id = str(logo.pk), str(music.pk), str(film.pk)
    fade = [{"type": "fade_in", "duration_ms": 500}]
    gone = clip("gone", 9000, 0, 500, media=film_id, deleted=True)
    gone["cut"] = {"mode": "gap", "segment_id": None}
    body = {
        "tracks": [
            track(
                clip("a", 0, 10_000, 13_000, media=film_id, effects=fade),
                clip("logo", 3000, 0, 1000, media=logo_id),
                clip("b", 4000, 20_000, 24_000, media=film_id),
                gone,
            ),
            track(clip("m", 0, 5000, 13_000, media=music_id), name="m", kind="audio"),
        ],
        "transcript": {
            "segments": [
                segment("said", 10_000, "so we went", media=film_id),
                segment("sung", 5000, "home", media=music_id),
            ]
        },
        "captions_style": None,
    }
    put(api, project, body)
    return project


def copies(api: APIClient, project: Project, **body: Any) -> Any:
    key = body.pop("key", None)
    headers = {"Idempotency-Key": key} if key else {}
    described = {"name": "Monday", **body}
    return api.post(f"/projects/{project.pk}/copies", described, format="json", headers=headers)


def refused(answer: Any) -> dict[str, str]:
    assert answer.status_code == 400, answer.content
    return {error["field"]: error["code"] for error in answer.json()["errors"]}


def made(answer: Any) -> Project:
    assert answer.status_code == 201, answer.content
    project = Project.objects.get(pk=answer.json()["id"])
    assert answer["Location"] == f"/projects/{project.pk}"
    return project


def of(project: Project) -> dict[str, Any]:
    return edl.read_edl(project_id=project.pk, user_id=project.user_id)


def test_a_copy_has_all_of_it_and_a_history_of_its_own(
    api: APIClient, template: Project, stored: Stored
) -> None:
    answer = copies(api, template)
    copy, before = of(made(answer)), of(template)

    for name in ("settings", "tracks", "transcript", "captions_style"):
        assert copy[name] == before[name], name
    assert (copy["version"], copy["undo_depth"], copy["redo_depth"]) == (1, 0, 0)
    body = answer.json()
    assert [body[name] for name in ("name", "description", "resolution", "frame_rate")] == [
        "Monday",
        "D",
        "1080x1920",
        25,
    ]
    assert [body[f"{name}_clips"] for name in ("filled", "shortened", "left_out")] == [0, 0, 0]
    document = stored(made(answer))
    check_stored(document)
    assert document["transcript_bytes"] == stored(template)["transcript_bytes"]


def test_its_own_fields_come_first(api: APIClient, template: Project) -> None:
    copy = made(copies(api, template, resolution="640x360", description=""))
    assert (copy.resolution, copy.description) == ("640x360", "")
    assert of(copy)["settings"]["resolution"] == {"width": 640, "height": 360}


def test_what_is_filled_is_another_film(
    api: APIClient, template: Project, film: MediaFile, logo: MediaFile, make_media: Make
) -> None:
    short = make_media(type=MediaType.VIDEO, duration_ms=12_500)
    other = make_media(type=MediaType.VIDEO, duration_ms=60_000)
    answer = copies(api, template, media={str(film.pk): str(short.pk), str(logo.pk): str(other.pk)})
    results = of(made(answer))

    clips = {clip_row["id"]: clip_row for row in results["tracks"] for clip_row in row["clips"]}
    assert clips.keys() == {"a", "logo", "b", "m"}
    assert {name: clip_row["media_file_id"] for name, clip_row in clips.items()} | {"m": ""} == {
        "a": str(short.pk),
        "logo": str(other.pk),
        "b": str(short.pk),
        "m": "",
    }
    assert [clips["a"][name] for name in ("in_point_ms", "out_point_ms")] == [0, 3000]
    assert clips["a"]["effects"] == [{"type": "fade_in", "duration_ms": 500}]
    assert [clips["b"][n] for n in ("start_ms", "in_point_ms", "duration_ms")] == [
        4000,
        10_000,
        2500,
    ]
    assert [clip_row["id"] for clip_row in results["transcript"]["segments"]] == ["sung"]
    assert results["settings"]["duration_ms"] == 8000
    body = answer.json()
    assert [body[f"{name}_clips"] for name in ("filled", "shortened", "left_out")] == [3, 1, 0]


def test_its_placeholders_are_listed(
    api: APIClient, template: Project, film: MediaFile, logo: MediaFile, music: MediaFile
) -> None:
    deletion.delete_media(user_id=film.user_id, media_id=logo.pk, force=True)
    listed = api.get(f"/projects/{template.pk}/placeholders").json()["placeholders"]
    assert listed == [
        {
            "media_file_id": str(film.pk),
            "name": "Interview",
            "type": "video",
            "track_types": ["video"],
            "clip_count": 2,
            "duration_ms": 14_000,
        },
        {
            "media_file_id": str(music.pk),
            "name": "Music",
            "type": "audio",
            "track_types": ["audio"],
            "clip_count": 1,
            "duration_ms": 8000,
        },
        {
            "media_file_id": str(logo.pk),
            "name": None,
            "type": None,
            "track_types": ["video"],
            "clip_count": 1,
            "duration_ms": 1000,
        },
    ]


def test_clips_of_what_is_gone_are_marked_and_can_be_filled(
    api: APIClient, template: Project, logo: MediaFile, film: MediaFile
) -> None:
    deletion.delete_media(user_id=film.user_id, media_id=logo.pk, force=True)
    for media, mark in (({}, True), ({str(logo.pk): str(film.pk)}, False)):
        results = of(made(copies(api, template, media=media)))
        clips = {clip_row["id"]: clip_row for row in results["tracks"] for clip_row in row["clips"]}
        assert clips["logo"].get("offline", False) is mark


def test_what_cannot_be_filled_is_named(
    api: APIClient,
    template: Project,
    film: MediaFile,
    music: MediaFile,
    make_media: Make,
    make_user: Callable[..., User],
) -> None:
    foreign = make_media(make_user(), type=MediaType.VIDEO, duration_ms=60_000)
    nowhere = uuid.uuid4()
    wrong = {
        str(nowhere): str(film.pk),
        str(film.pk): str(music.pk),
        str(music.pk): str(foreign.pk),
    }
    before = Project.objects.count()
    assert refused(copies(api, template, media=wrong)) == {
        f"media.{nowhere}": "unknown_placeholder",
        f"media.{film.pk}": "media_type",
        f"media.{music.pk}": "unknown_media",
    }
    assert set(refused(copies(api, template, media={"logo": str(film.pk)}))) == {"media"}
    assert set(refused(copies(api, template, media={str(film.pk): "x"}))) == {f"media.{film.pk}"}
    assert set(refused(copies(api, template, name=""))) == {"name"}
    assert Project.objects.count() == before


def test_so_many_are_filled_at_once(api: APIClient, template: Project, film: MediaFile) -> None:
    maximum = {str(uuid.uuid4()): str(film.pk) for _ in range(copying.MAX_REPLACED)}
    assert len(refused(copies(api, template, media=maximum))) > 1  # each by itself is looked at
    more = maximum | {str(uuid.uuid4()): str(film.pk)}
    assert refused(copies(api, template, media=more)) == {"media": "too_many"}


def test_others_projects_are_not_there(
    template: Project, client_of: Callable[[User], APIClient], make_user: Callable[..., User]
) -> None:
    stranger = client_of(make_user())
    assert copies(stranger, template).status_code == 404
    assert stranger.get(f"/projects/{template.pk}/placeholders").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_asked_twice_it_is_made_once(api: APIClient, template: Project) -> None:
    before = Project.objects.count()
    first, again = (copies(api, template, key="monday") for _ in range(2))
    assert first.json() == again.json()
    assert Project.objects.count() == before + 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("edl_store_away")
def test_without_its_timeline_there_is_no_copy(api: APIClient, user: User) -> None:
    project = Project.objects.create(user=user, name="Template")
    assert copies(api, project).status_code == 503
    assert Project.objects.get() == project
