"""`POST /jobs/audio-generation`: bounds, price, and a sound that becomes media."""

import io
import wave

import pytest
import requests

from gpu_tasks.audio_generation.contract import MAX_DURATION_SEC, MAX_PROMPT_CHARACTERS
from jobs.models import Job
from media.models import MediaFile

pytestmark = pytest.mark.django_db(transaction=True)

RAIN = {"prompt": "heavy rain, distant thunder", "duration_sec": 2}


@pytest.mark.parametrize(
    ("seconds", "credits"), [(1, 3), (10, 3), (11, 6), (20, 6), (21, 9), (MAX_DURATION_SEC, 15)]
)
def test_it_costs_three_credits_for_each_started_ten_seconds(api, seconds: int, credits: int):
    body = {**RAIN, "duration_sec": seconds}
    answer = api.post("/jobs/audio-generation/estimate", body, format="json")
    assert answer.json()["credits"] == credits


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", ""),
        ("prompt", "   "),
        ("prompt", "\u200b\x07"),
        ("prompt", "x" * (MAX_PROMPT_CHARACTERS + 1)),
        ("prompt", None),
        ("duration_sec", 0),
        ("duration_sec", MAX_DURATION_SEC + 1),
        ("duration_sec", 1.5),
        ("duration_sec", "nan"),
        ("seed", -1),
        ("seed", 2**31),
        ("loudness", 3),
    ],
)
def test_what_lies_outside_the_bounds_is_refused(api, field: str, value: object):
    answer = api.post("/jobs/audio-generation", {**RAIN, field: value}, format="json")
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not Job.objects.exists()


@pytest.mark.parametrize("length", [{"duration_ms": 2000}, {"duration_sec": 2}])
def test_a_job_shows_its_length_in_both_units(api, length: dict[str, int]):
    answer = api.post("/jobs/audio-generation", {"prompt": "rain", **length}, format="json")
    job = api.get(f"/jobs/{answer.json()['id']}").json()
    values = {"prompt": "rain", "duration_ms": 2000, "duration_sec": 2}
    assert job["input_params"] == values
    again = api.post("/jobs/audio-generation", values, format="json")
    assert again.status_code == 202
    assert api.post(f"/jobs/{job['id']}/cancel").status_code == 200
    assert api.post(f"/jobs/{job['id']}/retry").status_code == 202


@pytest.mark.parametrize(
    ("length", "field"),
    [
        ({}, "duration_ms"),
        ({"duration_ms": 1500}, "duration_ms"),
        ({"duration_ms": 0}, "duration_ms"),
        ({"duration_ms": (MAX_DURATION_SEC + 1) * 1000}, "duration_ms"),
        ({"duration_ms": 2000, "duration_sec": 3}, "duration_sec"),
    ],
)
def test_a_length_is_given_in_whole_seconds(api, length: dict[str, int], field: str):
    answer = api.post("/jobs/audio-generation", {"prompt": "rain", **length}, format="json")
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_the_longest_prompt_is_taken(api):
    body = {**RAIN, "prompt": "x" * MAX_PROMPT_CHARACTERS}
    assert api.post("/jobs/audio-generation", body, format="json").status_code == 202


def test_the_sound_becomes_media_and_says_what_was_understood(run_job, api):
    job = run_job("audio-generation", **RAIN, seed=5)
    assert job["status"] == "completed"
    output = job["output_data"]
    assert output["layers"] == ["rain", "thunder"]
    assert (output["duration_ms"], output["sample_rate"], output["channels"]) == (2000, 44100, 2)
    assert output["seed"] == 5
    assert output["engine"]["name"] == "draft"
    [media] = output["media"]
    assert (media["type"], media["mime_type"]) == ("audio", "audio/wav")
    assert media["name"] == "heavy rain, distant thunder.wav"
    content = requests.get(media["download_url"], timeout=10).content
    with wave.open(io.BytesIO(content)) as sound:
        assert (sound.getnframes(), sound.getnchannels()) == (2 * 44100, 2)
    assert MediaFile.objects.get(pk=media["id"]).duration_ms == 2000


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("Rain. Wind at 1.5 times", "Rain. Wind at 1.5 times.wav"),
        ("rain/wind", "rain wind.wav"),
        ("../../rain", "rain.wav"),
        ("...", "untitled.wav"),
    ],
)
def test_the_sound_is_named_after_its_prompt(run_job, prompt: str, name: str):
    job = run_job("audio-generation", prompt=prompt, duration_sec=1)
    assert job["output_data"]["media"][0]["name"] == name


def test_the_seed_makes_the_same_again(run_job):
    sounds = []
    for seed in (5, 5, 6):
        [media] = run_job("audio-generation", **RAIN, seed=seed)["output_data"]["media"]
        content = requests.get(media["download_url"], timeout=10).content
        with wave.open(io.BytesIO(content)) as file:  # the credentials beside it have their times
            sounds.append(file.readframes(file.getnframes()))
    assert sounds[0] == sounds[1] != sounds[2]
