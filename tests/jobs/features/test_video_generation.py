"""`POST /jobs/video-generation`: the plan, bounds, price, and a film that becomes media."""

import pytest

from gpu_tasks.runtime.prompts import MAX_PROMPT_CHARACTERS
from gpu_tasks.video_generation.contract import MAX_SECONDS, MIN_SECONDS, Resolution
from jobs.models import Job
from media.models import MediaFile

pytestmark = pytest.mark.django_db(transaction=True)

BIRDS = {"prompt": "Birds over a stormy sea", "duration_sec": 1}


@pytest.fixture
def pro(user):
    return user.subscriptions.create(plan="pro", status="active")


def submit(api, **changes: object):
    return api.post("/jobs/video-generation", {**BIRDS, **changes}, format="json")


def test_it_is_for_the_pro_plan_only(api, user):
    for path in ("", "/estimate"):
        answer = api.post(f"/jobs/video-generation{path}", BIRDS, format="json")
        assert (answer.status_code, answer.json()["code"]) == (403, "plan_required")
    assert not Job.objects.exists()
    user.subscriptions.create(plan="pro", status="active")
    assert submit(api).status_code == 202


@pytest.mark.parametrize(("seconds", "credits"), [(MIN_SECONDS, 10), (2, 20), (MAX_SECONDS, 50)])
def test_it_costs_ten_credits_a_second(api, pro, seconds: int, credits: int):
    body = {**BIRDS, "duration_sec": seconds}
    answer = api.post("/jobs/video-generation/estimate", body, format="json")
    assert answer.json()["credits"] == credits


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", ""),
        ("prompt", "\u200b"),
        ("prompt", "x" * (MAX_PROMPT_CHARACTERS + 1)),
        ("prompt", "x" * 10_000),
        ("duration_sec", MIN_SECONDS - 1),
        ("duration_sec", MAX_SECONDS + 1),
        ("duration_sec", 1.5),
        ("resolution", "1280x720"),
        ("seed", -1),
        ("seed", 2**31),
        ("fps", 60),
    ],
)
def test_what_lies_outside_the_bounds_is_refused(api, pro, field: str, value: object):
    answer = submit(api, **{field: value})
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    "asked",
    [
        {"prompt": "x" * MAX_PROMPT_CHARACTERS},
        {"duration_sec": MAX_SECONDS},
        {"duration_sec": MAX_SECONDS, "duration_ms": MAX_SECONDS * 1000},
        {"resolution": Resolution.SQUARE.value},
        {"seed": 2**31 - 1},
    ],
)
def test_what_lies_on_the_bounds_is_taken(api, pro, asked: dict[str, object]):
    assert submit(api, **asked).status_code == 202


def test_the_film_becomes_media_and_says_what_was_understood(run_job, pro):
    job = run_job("video-generation", **BIRDS, resolution=Resolution.PORTRAIT.value, seed=5)
    assert (job["status"], job["credits_cost"]) == ("completed", 10)
    output = job["output_data"]
    assert (output["width"], output["height"], output["frame_rate"]) == (480, 832, 16)
    assert (output["duration_ms"], output["seed"]) == (1000, 5)
    assert output["understood"] == ["birds", "stormy", "sea"]
    assert output["engine"]["name"] == "draft"
    [media] = output["media"]
    assert (media["type"], media["mime_type"]) == ("video", "video/mp4")
    assert media["name"] == "Birds over a stormy sea.mp4"
    assert MediaFile.objects.get(pk=media["id"]).duration_ms == 1000
