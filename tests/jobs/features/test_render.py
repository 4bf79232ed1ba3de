"""Rendering a project over the API: price, what is refused, what is made again and what is kept."""

import os
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from credits import ledger
from jobs.calls.backends.models import LocalCall
from jobs.models import Job
from media.models import MediaFile
from media.storage import object_storage
from projects import connection, transcript
from projects.models import Project, RenderFolder
from projects.rendering import folders, timelines
from tests.gpu_tasks.films import make_film
from tests.jobs.features.conftest import finish
from tests.jobs.features.timelines import a_clip, edit, refused, track

pytestmark = pytest.mark.django_db(transaction=True)

Bring = Callable[..., MediaFile]
Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_film(tmp_path_factory.mktemp("film") / "interview.mp4", seconds=12.0)


@pytest.fixture
def project(user: User) -> Project:
    return Project.objects.create(
        user=user, name="Our v. 2 film", resolution="160x90", frame_rate=25
    )


def two_clips(media: MediaFile) -> dict[str, Any]:
    return track(a_clip(media, 0, 6000), a_clip(media, 6000, 5000, 3000))


def test_a_project_becomes_a_film_in_it(
    api: APIClient, project: Project, bring: Bring, run_job: Run, film: Path
):
    edit(api, project, [two_clips(bring(film, "video/mp4"))])
    job = run_job("render", project_id=str(project.pk))
    assert job["status"] == "completed", job["error"]
    output = job["output_data"]
    [media] = output["media"]
    assert media["name"] == "Our v. 2 film.mp4"
    assert (media["type"], media["duration_ms"]) == ("video", pytest.approx(11_000, abs=40))
    assert (media["metadata"]["width"], media["metadata"]["height"]) == (160, 90)
    assert output["stretches_made"] == output["stretches"] > 1
    assert MediaFile.objects.get(pk=media["id"]).project_id == project.pk


def test_only_what_has_changed_is_made_again(
    api: APIClient, project: Project, bring: Bring, run_job: Run, film: Path
):
    media, other = bring(film, "video/mp4"), bring(film, "video/mp4")
    clips = [a_clip(media, n * 6000, 6000, n * 100) for n in range(6)]
    edit(api, project, [track(*clips)])
    first = run_job("render", project_id=str(project.pk))["output_data"]
    same = run_job("render", project_id=str(project.pk))["output_data"]
    clips[2] = a_clip(other, 12_000, 6000)
    edit(api, project, [track(*clips)])
    changed = run_job("render", project_id=str(project.pk))["output_data"]
    assert first["stretches_made"] == first["stretches"]
    assert same["stretches_made"] == 0
    assert 0 < changed["stretches_made"] < first["stretches"]


def test_sources_that_nothing_needs_are_not_fetched(
    api: APIClient, project: Project, bring: Bring, run_job: Run, film: Path
):
    media, other = bring(film, "video/mp4"), bring(film, "video/mp4")
    long = [a_clip(media, n * 11_000, 11_000) for n in range(6)]
    edit(api, project, [track(*long)])
    run_job("render", project_id=str(project.pk))
    edit(api, project, [track(*long, a_clip(other, 66_000, 11_000))])
    job = run_job("render", project_id=str(project.pk))
    attempt = Job.objects.get(pk=job["id"]).attempt
    payload = LocalCall.objects.get(attempt_id=attempt.pk).payload
    assert [source is None for source in payload["sources"]].count(False) >= 1
    assert len(payload["ready"]) >= 1


@pytest.mark.parametrize(
    ("format", "kind"), [("webm", "video/webm"), ("mov", "video/quicktime"), ("m4a", "audio/mp4")]
)
def test_other_formats_are_media_of_their_types(
    format: str, kind: str, api: APIClient, project: Project, bring: Bring, run_job: Run, film: Path
):
    edit(api, project, [track(a_clip(bring(film, "video/mp4"), 0, 1000))])
    job = run_job("render", project_id=str(project.pk), format=format, proxy=True)
    assert job["output_data"]["media"][0]["mime_type"] == kind


def test_it_costs_one_credit_a_started_minute(
    api: APIClient, project: Project, bring: Bring, film: Path
):
    media = bring(film, "video/mp4")
    for seconds, expected in ((60, 1), (61, 2)):
        edit(api, project, [track(a_clip(media, seconds * 1000 - 1000, 1000))])
        answer = api.post("/jobs/render/estimate", {"project_id": str(project.pk)}, format="json")
        assert answer.json()["credits"] == expected


def test_an_empty_timeline_is_refused(api: APIClient, project: Project, signed_urls: None):
    status, problem = refused(api, project.pk)
    assert (status, problem["code"]) == (422, "empty_timeline")


def test_a_timeline_of_deleted_clips_is_empty(
    api: APIClient, project: Project, bring: Bring, film: Path
):
    gone = a_clip(bring(film, "video/mp4"), 0, 1000, deleted=True)
    edit(api, project, [track(gone)])
    assert refused(api, project.pk)[1]["code"] == "empty_timeline"


def test_clips_of_deleted_media_are_named(
    api: APIClient, project: Project, bring: Bring, film: Path
):
    media = bring(film, "video/mp4")
    lost = a_clip(media, 0, 1000)
    edit(api, project, [track(lost, a_clip(bring(film, "video/mp4"), 1000, 1000))])
    assert api.delete(f"/media/{media.pk}?force=true").status_code == 204
    status, problem = refused(api, project.pk)
    assert (status, problem["code"]) == (422, "clips_offline")
    assert (problem["clips"], problem["clip_count"]) == ([lost["id"]], 1)


def test_a_film_of_more_than_four_hours_is_refused(
    api: APIClient, project: Project, bring: Bring, film: Path
):
    media = bring(film, "video/mp4")
    last = 4 * 3600 * 1000 - 1000
    edit(api, project, [track(a_clip(media, last, 1000))])
    answer = api.post("/jobs/render/estimate", {"project_id": str(project.pk)}, format="json")
    assert answer.json()["credits"] == 240
    edit(api, project, [track(a_clip(media, last + 1, 1000))])
    assert refused(api, project.pk)[1]["code"] == "timeline_too_long"


def test_anothers_project_is_not_found(api: APIClient, signed_urls: None):
    other = User.objects.create(email="other@example.com")
    theirs = Project.objects.create(user=other, name="Theirs")
    assert refused(api, theirs.pk)[0] == 404
    assert refused(api, uuid.uuid4())[0] == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"format": "avi"},
        {"resolution": "161x90"},
        {"captions": "loud"},
        {"loudness_lufs": -3},
        {"timeline": {"duration_ms": 1}},
    ],
)
def test_wrong_parameters_are_refused_and_cost_nothing(
    wrong: dict[str, Any], user: User, api: APIClient, project: Project, bring: Bring, film: Path
):
    edit(api, project, [track(a_clip(bring(film, "video/mp4"), 0, 1000))])
    before = ledger.get_balance(user_id=user.pk)
    status, problem = refused(api, project.pk, **wrong)
    assert status == 400
    assert problem["errors"][0]["field"] in wrong
    assert ledger.get_balance(user_id=user.pk) == before


def test_media_on_the_timeline_cannot_be_deleted_meanwhile(
    api: APIClient, project: Project, bring: Bring, film: Path
):
    body, unused = bring(film, "video/mp4"), bring(film, "video/mp4")
    edit(api, project, [track(a_clip(body, 0, 1000))])
    assert refused(api, project.pk)[0] == 202
    answer = api.delete(f"/media/{body.pk}?force=true")
    assert (answer.status_code, answer.json()["code"]) == (409, "media_in_use")
    assert api.delete(f"/media/{unused.pk}?force=true").status_code == 204


def test_what_is_edited_meanwhile_is_not_rendered(
    api: APIClient, project: Project, bring: Bring, run_job: Run, film: Path
):
    media = bring(film, "video/mp4")
    edit(api, project, [track(a_clip(media, 0, 2000))])
    answer = api.post("/jobs/render", {"project_id": str(project.pk)}, format="json")
    edit(api, project, [track(a_clip(media, 0, 9000))])
    finish(uuid.UUID(answer.json()["job_id"]))
    body = api.get(f"/jobs/{answer.json()['job_id']}").json()
    assert body["output_data"]["duration_ms"] == 2000


def test_running_it_again_renders_todays_timeline(
    api: APIClient, project: Project, bring: Bring, film: Path
):
    first, second = bring(film, "video/mp4"), bring(film, "video/mp4")
    edit(api, project, [track(a_clip(first, 0, 2000))])
    job_id = refused(api, project.pk)[1]["job_id"]
    assert api.post(f"/jobs/{job_id}/cancel").status_code == 200
    edit(api, project, [track(a_clip(second, 70_000, 2000))])
    again = api.post(f"/jobs/{job_id}/retry").json()
    job = Job.objects.get(pk=again["job_id"])
    assert (job.credits_cost, job.media_ids) == (2, [second.pk])
    assert job.parameters["timeline"]["duration_ms"] == 72_000


def test_a_job_shows_what_was_asked_for_and_nothing_else(
    api: APIClient, project: Project, bring: Bring, film: Path
):
    edit(api, project, [track(a_clip(bring(film, "video/mp4"), 0, 1000))])
    values = {"project_id": str(project.pk), "captions": "none"}
    quote = api.post("/jobs/render/estimate", values, format="json").json()
    request_data = [
        api.post("/jobs/render", values | {"quote_id": quote["quote_id"]}, format="json").json(),
        *api.post("/jobs/batch", {"jobs": [{"type": "render", **values}]}, format="json").json()[
            "jobs"
        ],
    ]
    assert api.post(f"/jobs/{request_data[0]['job_id']}/cancel").status_code == 200
    request_data.append(api.post(f"/jobs/{request_data[0]['job_id']}/retry").json())
    for item in request_data:
        body = api.get(f"/jobs/{item['job_id']}").json()
        assert (body["credits_cost"], body["input_params"]) == (quote["credits"], values)


def test_a_render_of_before_parameters_were_kept_apart_goes_on(
    api: APIClient, project: Project, bring: Bring, film: Path
):
    edit(api, project, [track(a_clip(bring(film, "video/mp4"), 0, 1000))])
    values = {"project_id": str(project.pk), "proxy": True}
    job_id = uuid.UUID(api.post("/jobs/render", values, format="json").json()["job_id"])
    job = Job.objects.get(pk=job_id)
    Job.objects.filter(pk=job_id).update(input_params=job.parameters, derived_params=None)
    waiting = refused(api, project.pk)[1]["job_id"]
    parameters = Job.objects.get(pk=waiting).parameters
    Job.objects.filter(pk=waiting).update(input_params=parameters, derived_params=None)
    assert api.post(f"/jobs/{waiting}/cancel").status_code == 200
    finish(job_id)
    body = api.get(f"/jobs/{job_id}").json()
    assert (body["status"], body["output_data"]["duration_ms"]) == ("completed", 1000)
    assert "timeline" not in body["input_params"]
    assert api.post(f"/jobs/{waiting}/retry").status_code == 202


def test_effects_that_are_not_rendered_are_told(
    api: APIClient, project: Project, bring: Bring, run_job: Run, film: Path
):
    effects = [{"type": "fade_in", "duration_ms": 200}, {"type": "x_sepia", "amount": 0.5}]
    edit(api, project, [track(a_clip(bring(film, "video/mp4"), 0, 1000, effects=effects))])
    job = run_job("render", project_id=str(project.pk), proxy=True)
    assert job["output_data"]["ignored_effects"] == ["x_sepia"]


def kept(project: Project, **options: Any) -> Any:
    settings = {"with_captions": False, **options}
    output, content = timelines.take_snapshot(project, **settings)
    folders.store_timeline(project, output.name, content)
    return timelines.load_timeline(project, output.name)


def test_sound_that_is_on_an_audio_track_is_not_heard_from_the_film_at_that_time(
    api: APIClient, project: Project, bring: Bring, film: Path
):
    media = bring(film, "video/mp4")
    edit(
        api,
        project,
        [
            track(a_clip(media, 0, 2000), a_clip(media, 2000, 2000)),
            track(a_clip(media, 1000, 1000), kind="audio"),
        ],
    )
    timeline = kept(project)
    body, heard = timeline.tracks
    sounding = [list(timeline.list_audible_spans(body, clip)) for clip in body.clips]
    assert sounding == [[(0, 1000)], [(2000, 4000)]]
    assert [list(timeline.list_audible_spans(heard, clip)) for clip in heard.clips] == [
        [(1000, 2000)]
    ]
    assert (body.shows, heard.shows) == (True, False)


def test_effects_become_what_is_rendered(
    api: APIClient, project: Project, bring: Bring, film: Path
):
    effects = [
        {"type": "speed", "rate": 2.0},
        {"type": "gain", "db": -60},
        {"type": "fade_in", "duration_ms": 9999, "offset_ms": 400},
        {"type": "fade_out", "duration_ms": 700},
    ]
    first = a_clip(bring(film, "video/mp4"), 0, 1000, effects=effects)
    edit(api, project, [track({**first, "out_point_ms": 2000})])
    [clip] = kept(project).tracks[0].clips
    assert (clip.speed_permille, clip.gain_db) == (2000, -60.0)
    assert (clip.fade_in_ms, clip.fade_in_offset_ms) == (9999, 400)
    assert (clip.fade_out_ms, clip.fade_out_offset_ms) == (700, 0)


def test_values_from_before_they_were_checked_are_rendered_as_then(
    api: APIClient, project: Project, bring: Bring, film: Path
):
    effects = [
        {"type": "gain", "db": -400},
        {"type": "fade_in", "duration_ms": 500.9, "offset_ms": 600},
        {"type": "fade_out", "duration_ms": "long"},
        {"type": "sepia"},
    ]
    edit(api, project, [track(a_clip(bring(film, "video/mp4"), 0, 1000))])
    connection.collection().update_one(
        {"project_id": str(project.pk)}, {"$set": {"tracks.0.clips.0.effects": effects}}
    )
    [clip] = kept(project).tracks[0].clips
    assert clip.gain_db == -60.0
    assert (clip.fade_in_ms, clip.fade_in_offset_ms, clip.fade_out_ms) == (500, 0, 0)
    assert timelines.take_snapshot(project, with_captions=False)[0].ignored_effects == ["sepia"]


@pytest.mark.parametrize(
    ("told", "exact"), [("29.97", "30000/1001"), ("23.98", "24000/1001"), ("12.50", "25/2")]
)
def test_rates_are_what_two_decimals_mean(
    told: str, exact: str, api: APIClient, user: User, bring: Bring, film: Path
):
    project = Project.objects.create(user=user, name="Film", frame_rate=told)
    project.refresh_from_db()
    edit(api, project, [track(a_clip(bring(film, "video/mp4"), 0, 1000))])
    assert timelines.take_snapshot(project, with_captions=False)[0].frame_rate == exact


def test_captions_are_those_of_the_film(api: APIClient, project: Project, bring: Bring, film: Path):
    media = bring(film, "video/mp4")
    words = [
        {"word": word, "start_ms": n * 500, "end_ms": n * 500 + 400, "confidence": 1.0}
        for n, word in enumerate(["Hello", "big", "world"])
    ]
    segment = {
        "id": "s1",
        "media_file_id": str(media.pk),
        "speaker": "Speaker 1",
        "start_ms": 0,
        "end_ms": 1400,
        "text": "Hello big world",
        "words": words,
    }
    body = {"tracks": [track(a_clip(media, 2000, 5000))], "transcript": {"segments": [segment]}}
    path = f"/projects/{project.pk}/edl"
    assert api.put(path, body, format="json", headers={"If-Match": "*"}).status_code == 200
    [cue] = kept(project, with_captions=True).cues
    assert (cue.text, cue.start_ms, cue.end_ms) == ("Hello big world", 2000, 3400)


def test_old_stretches_are_swept_and_made_again(
    api: APIClient, project: Project, bring: Bring, run_job: Run, film: Path
):
    edit(api, project, [track(a_clip(bring(film, "video/mp4"), 0, 1000))])
    first = run_job("render", project_id=str(project.pk))["output_data"]
    assert folders.sweep_folders() == 0
    _age(project, folders.SEGMENT_MAX_AGE + timedelta(hours=1))
    assert folders.list_due().count() == 1
    assert folders.sweep_folders() == first["stretches"] + 1
    assert not RenderFolder.objects.exists()
    again = run_job("render", project_id=str(project.pk))["output_data"]
    assert again["stretches_made"] == first["stretches"]


def test_young_stretches_stay(
    api: APIClient, project: Project, bring: Bring, run_job: Run, film: Path
):
    edit(api, project, [track(a_clip(bring(film, "video/mp4"), 0, 1000))])
    run_job("render", project_id=str(project.pk))
    _age(project, folders.SEGMENT_MAX_AGE - timedelta(hours=1))
    assert (
        folders.sweep_folders() == 1
    )  # the timeline that they were made of, which nobody needs any more
    assert folders.list_due().count() == 0
    assert run_job("render", project_id=str(project.pk))["output_data"]["stretches_made"] == 0


def test_a_deleted_project_leaves_no_stretches(
    api: APIClient, project: Project, bring: Bring, run_job: Run, film: Path
):
    edit(api, project, [track(a_clip(bring(film, "video/mp4"), 0, 1000))])
    run_job("render", project_id=str(project.pk))
    folder = folders.get_folder(project.user_id, project.pk)
    assert object_storage().list_objects(folder)
    assert api.delete(f"/projects/{project.pk}").status_code == 204
    RenderFolder.objects.update(sweep_at=timezone.now())
    assert folders.sweep_folders() > 0
    assert object_storage().list_objects(folder) == []
    assert not RenderFolder.objects.exists()


def _age(project: Project, by: timedelta) -> None:
    """As if all had been made so long ago."""
    then = (timezone.now() - by).timestamp()
    for stored_object in object_storage().list_objects(
        folders.get_folder(project.user_id, project.pk)
    ):
        os.utime(storages["default"].path(stored_object.key), (then, then))
    RenderFolder.objects.update(sweep_at=timezone.now())


def test_a_source_that_cannot_be_decoded_is_named(
    api: APIClient, project: Project, bring: Bring, run_job: Run, film: Path, tmp_path: Path
):
    media = bring(film, "video/mp4", name="holiday.mp4")
    object_storage().write(media.r2_key, b"no film any more", "video/mp4")
    edit(api, project, [track(a_clip(media, 0, 1000))])
    job = run_job("render", project_id=str(project.pk))
    assert job["status"] != "completed"
    attempt = Job.objects.get(pk=job["id"]).attempt
    assert attempt.outcome["error"]["code"] == "INPUT_INVALID"
    assert "holiday.mp4" in attempt.outcome["error"]["message"]


def test_a_style_of_captions_has_the_segments_with_words_made_again(
    api: APIClient, project: Project, bring: Bring, run_job: Run, film: Path
):
    media = bring(film, "video/mp4")
    edit(api, project, [two_clips(media)])
    words = [{"word": "Hello", "start_ms": 7000, "end_ms": 7500, "confidence": 1.0}]
    transcript.merge_transcript(
        project_id=project.pk,
        user_id=project.user_id,
        media_file_id=media.pk,
        job_id=uuid.uuid4(),
        segments=[
            {
                "id": "",
                "media_file_id": str(media.pk),
                "speaker": "A",
                "start_ms": 7000,
                "end_ms": 7500,
                "text": "Hello",
                "words": words,
                "deleted": False,
                "edited_text": None,
            }
        ],
    )
    request_data = {"project_id": str(project.pk), "captions": "burned"}
    first = run_job("render", **request_data)["output_data"]
    style = {"op": "set_captions_style", "style": {"color": "#FF0000"}}
    answer = api.patch(f"/projects/{project.pk}/edl", {"operations": [style]}, format="json")
    assert answer.status_code == 200, answer.json()
    styled = run_job("render", **request_data)["output_data"]
    same = run_job("render", **request_data)["output_data"]
    assert first["stretches_made"] == first["stretches"]
    assert 0 < styled["stretches_made"] < first["stretches_made"]
    assert same["stretches_made"] == 0
