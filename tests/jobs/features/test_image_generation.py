"""`POST /jobs/image-generation`: bounds, price, and pictures that become media."""

from typing import Any

import cv2
import numpy as np
import pytest
import requests

from gpu_tasks.image_generation.contract import (
    DEFAULT_SIDE,
    MAX_COUNT,
    MAX_SIDE,
    MIN_SIDE,
    SIDE_STEP,
)
from gpu_tasks.runtime.prompts import MAX_PROMPT_CHARACTERS
from jobs.models import Job
from media.models import MediaFile
from projects.models import Project
from tests.contract import described

pytestmark = pytest.mark.django_db(transaction=True)

BOAT = {"prompt": "A boat on the sea at sunset", "width": 336, "height": 256}


def submit(api, **changes: object):
    return api.post("/jobs/image-generation", {**BOAT, **changes}, format="json")


@pytest.mark.parametrize("count", [1, 2, MAX_COUNT])
def test_it_costs_four_credits_for_each_picture(api, count: int):
    answer = api.post("/jobs/image-generation/estimate", {**BOAT, "count": count}, format="json")
    assert answer.json()["credits"] == 4 * count


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", ""),
        ("prompt", " \t"),
        ("prompt", "\u200b"),
        ("prompt", None),
        ("prompt", "x" * (MAX_PROMPT_CHARACTERS + 1)),
        ("prompt", "x" * 10_000),
        ("width", MIN_SIDE - 16),
        ("width", MIN_SIDE + 1),
        ("height", MAX_SIDE + 16),
        ("height", "tall"),
        ("count", 0),
        ("count", MAX_COUNT + 1),
        ("seed", -1),
        ("seed", 2**31),
        ("style", "oil"),
    ],
)
def test_what_lies_outside_the_bounds_is_refused(api, field: str, value: object):
    answer = submit(api, **{field: value})
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not Job.objects.exists()


def test_the_size_is_a_square_unless_it_is_said(api):
    answer = api.post("/jobs/image-generation", {"prompt": "A boat"}, format="json")
    assert answer.json()["credits_cost"] == 4
    job = Job.objects.get()
    assert (job.parameters["width"], job.parameters["height"]) == (DEFAULT_SIDE, DEFAULT_SIDE)
    assert api.get(f"/jobs/{job.pk}").json()["input_params"] == {"prompt": "A boat"}


def test_one_side_may_be_said_alone(api):
    body = {"prompt": "A boat", "width": MAX_SIDE}
    api.post("/jobs/image-generation", body, format="json")
    job = Job.objects.get()
    assert (job.parameters["width"], job.parameters["height"]) == (MAX_SIDE, DEFAULT_SIDE)


def test_a_side_says_what_it_is_a_multiple_of(api):
    [error] = submit(api, width=MIN_SIDE + 1).json()["errors"]
    assert (error["code"], error["detail"]) == ("not_a_multiple", "This must be a multiple of 16.")
    schemas = described()["components"]["schemas"]
    [parameters] = [
        first for name, first in schemas.items() if name.startswith("ImageGenerationParam")
    ]
    for side in ("width", "height"):
        assert parameters["properties"][side]["multipleOf"] == SIDE_STEP


def test_what_is_needed_must_be_there(api):
    answer = api.post("/jobs/image-generation", {"width": 256}, format="json")
    assert [error["field"] for error in answer.json()["errors"]] == ["prompt"]


def test_only_so_many_large_pictures_are_made_at_once(api):
    assert submit(api, width=MAX_SIDE, height=MAX_SIDE, count=2).status_code == 202
    answer = submit(api, width=MAX_SIDE, height=MAX_SIDE, count=3)
    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert (error["field"], error["detail"]) == (
        "count",
        "One job makes at most 2 pictures of this size.",
    )


@pytest.mark.parametrize(
    "asked",
    [
        {"prompt": "x" * MAX_PROMPT_CHARACTERS},
        {"width": MIN_SIDE, "height": MAX_SIDE},
        {"count": MAX_COUNT},
        {"seed": 2**31 - 1},
    ],
)
def test_what_lies_on_the_bounds_is_taken(api, asked: dict[str, object]):
    assert submit(api, **asked).status_code == 202


@pytest.mark.parametrize(
    ("prompt", "code"),
    [("\u200b", "blank"), ("x" * 10_000, "max_length"), (["a cat"], "invalid")],
)
def test_it_is_said_what_is_wrong_with_a_prompt(api, prompt: object, code: str):
    [error] = submit(api, prompt=prompt).json()["errors"]
    assert (error["field"], error["code"]) == ("prompt", code)


def test_a_prompt_is_kept_as_one_readable_line(api):
    job_id = submit(api, prompt=" a cat\n\x1b on the\tmoon ").json()["job_id"]
    assert Job.objects.get(pk=job_id).input_params["prompt"] == "a cat on the moon"


def test_the_pictures_become_media_of_the_project(run_job, user):
    project = Project.objects.create(user=user, name="Film")
    job = run_job("image-generation", **BOAT, count=2, seed=7, project_id=str(project.pk))
    assert (job["status"], job["credits_cost"]) == ("completed", 8)
    output = job["output_data"]
    assert (output["width"], output["height"], output["seeds"]) == (336, 256, [7, 8])
    assert output["understood"] == ["boat", "sea", "sunset"]
    assert output["engine"]["name"] == "draft"
    names = [f"A boat on the sea at sunset {number}.png" for number in (1, 2)]
    assert [media["name"] for media in output["media"]] == names
    pictures = [downloaded(media["download_url"]) for media in output["media"]]
    assert [picture.shape for picture in pictures] == [(256, 336, 3)] * 2
    assert not np.array_equal(*pictures)
    assert MediaFile.objects.filter(project=project, type="image").count() == 2


def downloaded(url: str) -> Any:
    content = requests.get(url, timeout=10).content
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)


def test_without_a_seed_one_is_chosen_and_told(run_job):
    first, other = (run_job("image-generation", **BOAT)["output_data"]["seeds"] for _ in range(2))
    assert first != other
    again = run_job("image-generation", **BOAT, seed=first[0])
    assert again["output_data"]["seeds"] == first
