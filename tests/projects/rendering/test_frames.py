"""One frame of a timeline by HTTP: what a render would show, what is refused, what is kept."""

import io
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from rest_framework.test import APIClient

from accounts.models import User
from auteur.core.work.sandbox_queue import SandboxQueue
from gpu_tasks.render.contract import Timeline
from media.models import MediaFile
from media.storage import object_storage
from projects.models import Project
from projects.rendering import frames, timelines
from tests.gpu_tasks.films import make_film, turned
from tests.gpu_tasks.render.calls import Studio, output
from tests.gpu_tasks.render.films import make_coded, read_code, read_film, read_levels
from tests.jobs.features.timelines import a_clip, edit, track

pytestmark = pytest.mark.django_db(transaction=True)

Bring = Callable[..., MediaFile]
Pixels = NDArray[np.uint8]


@pytest.fixture(autouse=True)
def many_points(settings: Any) -> None:
    settings.RATE_LIMIT = "100000/minute"  # a frame costs five of them


@pytest.fixture
def small(user: User) -> Project:
    return Project.objects.create(user=user, name="Small", resolution="160x90", frame_rate=25)


@pytest.fixture(scope="session")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_film(tmp_path_factory.mktemp("footage") / "footage.mp4", seconds=6.0)


def ask(api: APIClient, project: Project, at_ms: object, **more: Any) -> Any:
    headers = more.pop("headers", {})
    return api.get(f"/projects/{project.pk}/frame", {"at_ms": at_ms, **more}, headers=headers)


def pixels(answer: Any) -> Pixels:
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == "image/jpeg"
    with Image.open(io.BytesIO(answer.content)) as picture:
        return np.asarray(picture.convert("RGB"), np.uint8)


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def picture(path: Path, *, size: tuple[int, int], color: str) -> Path:
    Image.new("RGBA", size, color).save(path)
    return path


def effect(kind: str, **parameters: Any) -> dict[str, Any]:
    return {"type": kind, **parameters}


def test_it_is_what_a_render_shows(
    api: APIClient,
    small: Project,
    bring: Bring,
    footage: Path,
    tmp_path: Path,
) -> None:
    files = [
        footage,
        turned(tmp_path / "turned.mp4", footage, 90),
        make_film(tmp_path / "wide.mp4", size="1280x320", seconds=4.0),
        picture(tmp_path / "glass.png", size=(80, 90), color="#ff000080"),
    ]
    kinds = ["video/mp4"] * 3 + ["image/png"]
    film, upright, wide, glass = (
        bring(path, kind) for path, kind in zip(files, kinds, strict=True)
    )
    fade = effect("fade_in", duration_ms=800)
    gone = effect("fade_out", duration_ms=600)
    fast = {"duration_ms": 1000, "out_point_ms": 2300, "effects": [effect("speed", rate=2.0), gone]}
    dissolve = [effect("cross_fade", duration_ms=500)]
    below = track(
        a_clip(film, 0, 2000, 100, effects=[fade]),
        a_clip(film, 1500, 1500, 3000, effects=dissolve),
        {**a_clip(film, 3000, 1000, 300), **fast},
    )
    above = track(a_clip(upright, 400, 800, 1000), a_clip(wide, 2100, 1200, 2000))
    edit(api, small, [below, above, track(a_clip(glass, 2300, 2700))])

    _, content = timelines.take_snapshot(small, with_captions=False)
    stored = Timeline.model_validate_json(content)
    paths = {
        row.r2_key: path for row, path in zip((film, upright, wide, glass), files, strict=True)
    }
    sources = [paths[source.id] for source in stored.sources]
    settings = output(width=160, height=90)
    _, created = Studio(tmp_path).render(stored, settings, sources)
    with av.open(str(created)) as container:
        body = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(body) == 125

    for number in (0, 3, 11, 20, 29, 30, 37, 42, 49, 51, 58, 75, 80, 92, 97, 99, 101, 124):
        results = pixels(ask(api, small, number * 40 + 10)).astype(int)
        expected = body[number].astype(int)
        assert results.shape == expected.shape
        off = [np.abs(results - item.astype(int)).mean() for item in (body[number], *body)]
        assert off[0] < 11, number
        assert off[0] == min(off), number


def test_the_frame_is_exact_however_far_its_key_frame(
    api: APIClient,
    small: Project,
    bring: Bring,
    tmp_path: Path,
) -> None:
    coded = bring(make_coded(tmp_path / "coded.mp4", 1, "25", 12.0), "video/mp4")
    Project.objects.filter(pk=small.pk).update(resolution="96x48")
    edit(api, small, [track(a_clip(coded, 0, 11_000, 1000))])
    for number in (0, 1, 100, 224, 225, 270):
        results = pixels(ask(api, small, number * 40))
        assert read_code(read_levels(results[..., 0])) == (1, 25 + number)


def test_where_nothing_is_shown_it_is_black(
    api: APIClient,
    small: Project,
    bring: Bring,
    footage: Path,
) -> None:
    edit(api, small, [track(a_clip(bring(footage, "video/mp4"), 1000, 1000))])
    assert pixels(ask(api, small, 500)).max() < 4
    assert pixels(ask(api, small, 1500)).max() > 100
    assert pixels(ask(api, small, 1999)).max() > 100


def test_what_is_only_heard_is_not_seen(
    api: APIClient,
    small: Project,
    bring: Bring,
    footage: Path,
) -> None:
    edit(api, small, [track(a_clip(bring(footage, "video/mp4"), 0, 1000), kind="audio")])
    assert pixels(ask(api, small, 500)).max() < 4


def test_times_beyond_the_timeline_are_refused(
    api: APIClient,
    small: Project,
    bring: Bring,
    footage: Path,
) -> None:
    assert refusal(ask(api, small, 0)) == (422, "beyond_timeline")
    edit(api, small, [track(a_clip(bring(footage, "video/mp4"), 0, 1000))])
    assert ask(api, small, 999).status_code == 200
    refused = ask(api, small, 1000)
    assert refusal(refused) == (422, "beyond_timeline")
    assert refused.json()["duration_ms"] == 1000


@pytest.mark.parametrize(
    "query",
    [
        {"at_ms": -1},
        {"at_ms": "now"},
        {"at_ms": ""},
        {"at_ms": 360_000_001},
        {"at_ms": 0, "width": frames.MIN_WIDTH - 1},
        {"at_ms": 0, "width": frames.MAX_WIDTH + 1},
    ],
)
def test_queries_are_checked(api: APIClient, small: Project, query: dict[str, Any]) -> None:
    answer = api.get(f"/projects/{small.pk}/frame", query)
    assert refusal(answer) == (400, "invalid")


@pytest.mark.parametrize(
    ("resolution", "width", "size"),
    [
        ("1920x1080", frames.MAX_WIDTH, (1920, 1080)),
        ("1920x1080", None, (640, 360)),
        ("1920x1080", 101, (100, 56)),
        ("160x90", 640, (160, 90)),
        ("1080x8192", 1920, (252, 1920)),
        ("8192x16", frames.MIN_WIDTH, (16, 2)),
    ],
)
def test_it_is_as_large_as_asked_for_and_no_larger_than_the_film(
    user: User, resolution: str, width: int | None, size: tuple[int, int]
) -> None:
    project = Project(user=user, resolution=resolution)
    assert frames.compute_size(project, width or frames.DEFAULT_WIDTH) == size


def test_who_has_it_is_told_so_until_the_timeline_changes(
    api: APIClient,
    small: Project,
    bring: Bring,
    footage: Path,
) -> None:
    media = bring(footage, "video/mp4")
    edit(api, small, [track(a_clip(media, 0, 1000))])
    first = ask(api, small, 500, width=100)
    tag = first["ETag"]
    assert (tag, first["Cache-Control"]) == ('"2-500-100"', "private, no-cache")
    again = ask(api, small, 500, width=100, headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", tag)
    assert again["Cache-Control"] == "private, no-cache"
    for other in ({"at_ms": 501, "width": 100}, {"at_ms": 500, "width": 98}):
        assert ask(api, small, headers={"If-None-Match": tag}, **other).status_code == 200
    edit(api, small, [track(a_clip(media, 0, 1000, 3000))])
    changed = ask(api, small, 500, width=100, headers={"If-None-Match": tag})
    assert changed["ETag"] == '"3-500-100"'
    assert (pixels(changed) != pixels(first)).any()


def test_what_was_made_is_kept_while_nothing_of_it_changes(
    api: APIClient,
    small: Project,
    bring: Bring,
    footage: Path,
) -> None:
    media = bring(footage, "video/mp4")
    edit(api, small, [track(a_clip(media, 0, 1000))])
    first = ask(api, small, 500)
    object_storage().delete(media.r2_key)
    style = {"op": "set_captions_style", "style": {"bold": True}}
    api.patch(f"/projects/{small.pk}/edl", {"operations": [style]}, format="json")
    stored = ask(api, small, 500)
    assert (stored.content, stored["ETag"]) == (first.content, '"3-500-640"')
    lost = ask(api, small, 700)
    assert refusal(lost) == (422, "frame_unreadable")
    assert lost.json()["media_file_id"] == str(media.pk)


def test_others_projects_are_not_there(
    api: APIClient, small: Project, make_user: Callable[..., User], client_of: Any
) -> None:
    stranger = client_of(make_user())
    assert refusal(ask(stranger, small, 0)) == (404, "not_found")
    assert refusal(api.get(f"/projects/{uuid.uuid4()}/frame", {"at_ms": 0})) == (404, "not_found")


def test_clips_of_deleted_media_are_named_where_they_are_seen(
    api: APIClient,
    small: Project,
    bring: Bring,
    footage: Path,
) -> None:
    gone, there = bring(footage, "video/mp4"), bring(footage, "video/mp4")
    clip = a_clip(gone, 0, 1000)
    edit(api, small, [track(clip, a_clip(there, 1000, 1000))])
    assert api.delete(f"/media/{gone.pk}?force=true").status_code == 204
    refused = ask(api, small, 500)
    assert refusal(refused) == (422, "clips_offline")
    assert refused.json()["clips"] == [clip["id"]]
    assert ask(api, small, 1500).status_code == 200


def broken(bring: Bring, footage: Path) -> MediaFile:
    """A media file that was whole when it was looked at."""
    media = bring(footage, "video/mp4")
    object_storage().write(media.r2_key, b"no film " * 5000, "video/mp4")
    return media


def test_what_cannot_be_decoded_is_told(
    api: APIClient,
    small: Project,
    bring: Bring,
    footage: Path,
) -> None:
    edit(api, small, [track(a_clip(broken(bring, footage), 0, 1000))])
    assert refusal(ask(api, small, 500)) == (422, "frame_unreadable")


def test_so_many_layers_are_looked_at(
    api: APIClient,
    small: Project,
    bring: Bring,
    footage: Path,
    tmp_path: Path,
) -> None:
    glass = bring(picture(tmp_path / "g.png", size=(160, 90), color="#ff000040"), "image/png")
    bad = broken(bring, footage)
    layers = [track(a_clip(glass, 0, 1000)) for _ in range(frames.MAX_LAYERS)]
    edit(api, small, [track(a_clip(bad, 0, 1000)), *layers])
    assert ask(api, small, 500).status_code == 200
    edit(api, small, [track(a_clip(bad, 0, 1000)), *layers[1:]])
    assert refusal(ask(api, small, 500)) == (422, "frame_unreadable")
    # What is hidden is not looked at either.
    seen = track(a_clip(bring(footage, "video/mp4"), 0, 1000))
    edit(api, small, [track(a_clip(bad, 0, 1000)), seen])
    assert ask(api, small, 500).status_code == 200


def test_each_user_has_one_at_a_time_and_waits_a_moment_for_it(
    api: APIClient,
    user: User,
    small: Project,
    bring: Bring,
    footage: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = SandboxQueue(running=2, waiting=1, seconds=0.2)
    monkeypatch.setattr(frames, "QUEUE", queue)
    edit(api, small, [track(a_clip(bring(footage, "video/mp4"), 0, 1000))])
    assert ask(api, small, 600).status_code == 200
    with queue.reserve(user.pk, frames.LIMITS):
        busy = ask(api, small, 500)
        assert refusal(busy) == (503, "frames_busy")
        assert busy["Retry-After"] == "1"
        assert ask(api, small, 600).status_code == 200  # it is there already
        before, after = busy, ask(api, small, 500)
        assert points_left(before) - points_left(after) <= 2  # what is refused costs a point
    with queue.reserve(uuid.uuid4(), frames.LIMITS):
        assert ask(api, small, 500).status_code == 200


def points_left(answer: Any) -> int:
    return int(answer["RateLimit"].partition("r=")[2].partition(";")[0])


def test_one_that_is_made_costs_five_points_and_others_one(
    api: APIClient, small: Project, bring: Bring, footage: Path
) -> None:
    refused = [points_left(ask(api, small, 0)) for _ in range(2)]
    assert refused[0] - refused[1] == 1
    edit(api, small, [track(a_clip(bring(footage, "video/mp4"), 0, 1000))])
    before = points_left(ask(api, small, 2000))
    created, results = ask(api, small, 500), ask(api, small, 500)
    assert before - points_left(created) == 5
    assert points_left(created) - points_left(results) == 1
    assert results.content == created.content


def test_who_cannot_pay_for_one_is_told_to_wait(
    api: APIClient, small: Project, bring: Bring, footage: Path, settings: Any
) -> None:
    edit(api, small, [track(a_clip(bring(footage, "video/mp4"), 0, 1000))])
    settings.RATE_LIMIT = "11/minute"
    answers = [ask(api, small, at_ms) for at_ms in (0, 40, 80)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[2]["Retry-After"]) >= 1


def test_at_any_speed_it_is_the_frame_that_a_render_shows(
    api: APIClient, small: Project, bring: Bring, tmp_path: Path
) -> None:
    path = make_coded(tmp_path / "coded.mp4", 1, "25", 12.0)
    coded = bring(path, "video/mp4")
    Project.objects.filter(pk=small.pk).update(resolution="96x48")
    clips, at = [], 0
    for rate in (2.0, 0.5, 1.5, 0.333, 3.7, 1.0):
        clip = a_clip(coded, at, 400, 300)
        out = 300 + round(400 * rate)
        clips.append({**clip, "out_point_ms": out, "effects": [effect("speed", rate=rate)]})
        at += 400
    edit(api, small, [track(*clips)])
    _, content = timelines.take_snapshot(small, with_captions=False)
    stored = Timeline.model_validate_json(content)
    _, created = Studio(tmp_path).render(stored, output(width=96, height=48), [path])
    rendered = [read_code(levels) for levels in read_film(created)]

    for first in range(0, len(rendered), 10):  # of each clip the ends, and one between them
        for number in (first, first + 6, first + 9):
            body = pixels(ask(api, small, number * 40))
            assert read_code(read_levels(body[..., 0])) == rendered[number], number
