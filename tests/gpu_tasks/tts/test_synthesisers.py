"""The synthesisers that are installed: each reads what it is given, or says that it cannot."""

import importlib.util
import shutil
import subprocess
from collections.abc import Callable

import numpy as np
import pytest

from gpu_tasks.runtime.errors import EngineError, ErrorCode
from gpu_tasks.tts import synthesisers
from gpu_tasks.tts.synthesisers import (
    MISSING,
    Espeak,
    Flite,
    Synthesiser,
    detect_language,
    list_installed,
)

MAKERS: list[Callable[[], Synthesiser]] = [Flite, Espeak]
THERE = {
    Flite: bool(shutil.which("flite")),
    Espeak: bool(importlib.util.find_spec("espeakng_loader")),
}


@pytest.fixture(params=MAKERS, ids=["flite", "espeak"])
def synthesiser(request: pytest.FixtureRequest) -> Synthesiser:
    if not THERE[request.param]:
        pytest.skip(f"{request.param.__name__} is not installed")
    output: Synthesiser = request.param()
    return output


def test_both_voices_speak_and_are_not_the_same(synthesiser: Synthesiser):
    spoken = [synthesiser.speak("Good morning.", voice) for voice in synthesiser.voices]
    for samples, rate in spoken:
        assert 0.5 < samples.size / rate < 3
        assert 0.05 < np.abs(samples).max() <= 1
    assert not np.array_equal(spoken[0][0][:4000], spoken[1][0][:4000])


def test_numbers_and_signs_are_spoken(synthesiser: Synthesiser):
    def seconds(text: str) -> float:
        samples, rate = synthesiser.speak(text, synthesiser.voices[0])
        return samples.size / rate

    assert seconds("1234567 %") > 2 * seconds("One.")


@pytest.mark.parametrize(
    "text", ["-v", "--help", "[[h@l'oU]]", "<speak>hi</speak>", "$(id)", "'\""]
)
def test_text_is_never_taken_for_a_command(synthesiser: Synthesiser, text: str):
    samples, rate = synthesiser.speak(f"{text} Good morning.", synthesiser.voices[0])
    assert samples.size / rate > 0.5


def test_the_same_text_sounds_the_same(synthesiser: Synthesiser):
    item, other = (synthesiser.speak("Again.", synthesiser.voices[0])[0] for _ in range(2))
    assert np.array_equal(item, other)


@pytest.mark.skipif(not THERE[Espeak], reason="espeakng-loader is not installed")
@pytest.mark.parametrize(
    "text", ["Привет, мир.", "你好，世界。", "こんにちは", "مرحبا", "नमस्ते", "😀"]
)
def test_every_script_is_read(text: str):
    samples, rate = Espeak().speak(text, "")
    assert samples.size / rate > 0.3


@pytest.mark.skipif(not THERE[Espeak], reason="espeakng-loader is not installed")
def test_a_voice_that_espeak_does_not_know_ends_its_process():
    with pytest.raises(subprocess.CalledProcessError) as caught:
        Espeak().speak("Hello", "no-such-voice")
    assert b"cannot speak as en-usno-such-voice" in caught.value.stderr


@pytest.mark.skipif(not THERE[Flite], reason="flite is not installed")
def test_flite_says_nothing_of_what_has_no_name():
    assert Flite().speak("你好", "rms")[0].size == 0
    assert not Flite().can_read("你好")
    assert Flite().can_read("Grüße, 42.")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Hello", "en-us"),
        ("Grüße", "en-us"),
        ("42", "en-us"),
        ("Да, yes", "en-us"),
        ("Привет ok", "ru"),
        ("你好", "cmn"),
        ("日本語の本", "ja"),
        ("한국어", "ko"),
        ("Ωμέγα", "el"),
    ],
)
def test_the_language_follows_the_letters(text: str, language: str):
    assert detect_language(text) == language


def test_without_any_synthesiser_the_engine_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path
):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(synthesisers.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(EngineError) as caught:
        list_installed()
    assert (caught.value.code, caught.value.message) == (ErrorCode.MODEL_ERROR, MISSING)
