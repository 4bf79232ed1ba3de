"""The draft engine: what it composes."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from gpu_tasks.audio_generation.contract import (
    MAX_DURATION_SEC,
    MAX_PROMPT_CHARACTERS,
    RATE,
)
from gpu_tasks.audio_generation.draft import FADE_SECONDS
from gpu_tasks.audio_generation.layers import LAYERS
from gpu_tasks.audio_generation.mastering import CEILING, TARGET_LUFS
from gpu_tasks.audio_generation.prompt import VOCABULARY
from gpu_tasks.runtime.engine import Engine, load
from gpu_tasks.runtime.errors import StoppedError
from tests.gpu_tasks.audio_generation.calls import (
    centre_hertz,
    generate,
    heard_loudness,
    payload,
    samples_of,
)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return load("audio_generation", "draft")


def test_every_layer_of_the_vocabulary_can_be_played():
    assert LAYERS.keys() == VOCABULARY.keys()


@pytest.mark.parametrize("layer", LAYERS)
def test_every_layer_is_heard_within_the_shortest_sound(engine: Engine, tmp_path: Path, layer: str):
    word = VOCABULARY[layer].split()[0]
    result, path = generate(engine, tmp_path, payload(word))
    sound = samples_of(path)
    assert result.layers == (layer,)
    assert sound.shape == (2, RATE)
    assert np.sqrt(np.mean(sound**2)) > 0.01
    assert np.abs(sound).max() <= CEILING + 1e-4


@pytest.mark.parametrize("seconds", [1, 3, MAX_DURATION_SEC])
def test_the_length_is_exact_to_the_sample(engine: Engine, tmp_path: Path, seconds: int):
    result, path = generate(engine, tmp_path, payload("wind", seconds, seed=5))
    assert samples_of(path).shape == (2, seconds * RATE)
    assert (result.duration_ms, result.sample_rate, result.channels) == (seconds * 1000, RATE, 2)
    assert result.seed == 5


@pytest.mark.parametrize("prompt", ["heavy rain", "dark drone", "happy piano and drums", "xyzzy"])
def test_loudness_is_the_usual_one_by_another_meter(engine: Engine, tmp_path: Path, prompt: str):
    _, path = generate(engine, tmp_path, payload(prompt, 4))
    assert heard_loudness(path) == pytest.approx(TARGET_LUFS, abs=1.0)


def test_rain_is_bright_and_a_drone_is_deep(engine: Engine, tmp_path: Path):
    _, rain = generate(engine, tmp_path / "1", payload("rain", 2))
    _, drone = generate(engine, tmp_path / "2", payload("a deep drone", 2))
    assert centre_hertz(samples_of(rain)) > 1500
    assert centre_hertz(samples_of(drone)) < 200


def test_the_same_seed_gives_the_same_bytes(engine: Engine, tmp_path: Path):
    request = payload("rain on a street at night", 2, seed=7)
    _, once = generate(engine, tmp_path / "1", request)
    _, again = generate(engine, tmp_path / "2", request)
    assert once.read_bytes() == again.read_bytes()


@pytest.mark.parametrize(
    ("prompt", "seed"), [("rain", 2), ("rain falls", 1), ("xyzzy", 1), ("雨の音", 1)]
)
def test_another_seed_or_prompt_gives_another_sound(
    engine: Engine, tmp_path: Path, prompt: str, seed: int
):
    _, item = generate(engine, tmp_path / "1", payload("rain", 1, seed=1))
    _, other = generate(engine, tmp_path / "2", payload(prompt, 1, seed=seed))
    assert item.read_bytes() != other.read_bytes()


def test_two_prompts_that_are_not_understood_differ_and_say_so(engine: Engine, tmp_path: Path):
    item, first = generate(engine, tmp_path / "1", payload("xyzzy"))
    other, second = generate(engine, tmp_path / "2", payload("plugh"))
    assert item.layers == other.layers == ()
    assert first.read_bytes() != second.read_bytes()


def test_the_longest_prompt_of_many_layers_is_played(engine: Engine, tmp_path: Path):
    words = " ".join(words.split()[0] for words in VOCABULARY.values())
    request = payload((words * 10)[:MAX_PROMPT_CHARACTERS], 1)
    result, _ = generate(engine, tmp_path, request)
    assert len(result.layers) == 8


def test_rain_surrounds_and_moves(engine: Engine, tmp_path: Path):
    _, path = generate(engine, tmp_path, payload("rain", 10))
    left, right = samples_of(path)
    assert abs(np.corrcoef(left, right)[0, 1]) < 0.3
    balance = [
        np.std(a) / np.std(b)
        for a, b in zip(np.array_split(left, 10), np.array_split(right, 10), strict=True)
    ]
    assert max(balance) / min(balance) > 1.1


def test_the_sound_fades_in_and_out(engine: Engine, tmp_path: Path):
    _, path = generate(engine, tmp_path, payload("an engine", 10))
    sound = samples_of(path)
    edge = round(FADE_SECONDS * RATE / 10)
    middle = np.std(sound[:, 4 * RATE : 6 * RATE])
    assert np.std(sound[:, :edge]) < middle / 5
    assert np.std(sound[:, -edge:]) < middle / 5
    assert sound[0, 0] == sound[1, -1] == 0.0


def test_progress_grows_to_the_end(engine: Engine, tmp_path: Path):
    reports: list[float] = []
    generate(engine, tmp_path, payload("rain, wind and a piano", 2), reports.append)
    assert all(item <= following for item, following in pairwise(reports))
    assert reports[0] == 0.0
    assert reports[-1] == 1.0
    assert len(reports) >= 5


@pytest.mark.parametrize("at", [0.0, 0.3, 0.95])
def test_a_cancelled_call_stops(engine: Engine, tmp_path: Path, at: float):
    reports: list[float] = []

    def stop(share: float) -> None:
        reports.append(share)
        if share >= at:
            raise StoppedError

    with pytest.raises(StoppedError):
        generate(engine, tmp_path, payload("rain, wind and a piano", 2), stop)
    assert sum(share >= at for share in reports) == 1


def test_a_draft_says_that_it_is_one(engine: Engine):
    assert engine.info.name == "draft"
