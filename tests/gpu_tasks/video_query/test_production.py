"""The production engine, with a tiny Qwen3-VL."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")
import torch

from gpu_tasks.runtime import runner
from gpu_tasks.runtime.engine import Engine, Host, load
from gpu_tasks.runtime.errors import EngineError, ErrorCode, StoppedError
from gpu_tasks.video_query import production
from gpu_tasks.video_query.contract import (
    MAX_QUESTION,
    MAX_SEGMENT_TEXT,
    MAX_SEGMENTS,
    MODELS,
    SpokenSegment,
)
from gpu_tasks.video_query.production import MAX_PROMPT_TOKENS, MAX_SIDE
from gpu_tasks.video_query.sampling import MAX_FRAMES, Still
from tests.gpu_tasks.films import make_film
from tests.gpu_tasks.recordings import SHORT
from tests.gpu_tasks.video_query import tiny_qwen
from tests.gpu_tasks.video_query.calls import ask

pytestmark = pytest.mark.torch

QUESTION = "What is seen?"


@pytest.fixture(scope="module")
def looking(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """Return the engine, loaded as a worker loads it."""
    model_dir = tiny_qwen.save(tmp_path_factory.mktemp("qwen"))
    return load("video_query", "production", Host(model_dir))


@pytest.fixture(autouse=True)
def short_replies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten replies, because a model with random weights does not stop."""
    monkeypatch.setattr(production, "MAX_NEW_TOKENS", 12)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a second of a test pattern."""
    return make_film(tmp_path_factory.mktemp("films") / "film.mp4")


def still(seconds: float, side: int = 32) -> Still:
    return Still(seconds, np.zeros((side, side, 3), np.uint8))


def test_a_film_gets_an_answer(looking: Engine, film: Path, tmp_path: Path):
    result = ask(looking, film, tmp_path, QUESTION)
    assert result.answer
    assert (result.duration_ms, result.frames_sampled) == (1000, 4)
    assert (looking.info.name, looking.info.model) == ("production", MODELS["vlm"])


def test_the_same_question_gets_the_same_answer(looking: Engine, film: Path, tmp_path: Path):
    once = ask(looking, film, tmp_path / "1", QUESTION)
    assert ask(looking, film, tmp_path / "2", QUESTION) == once


def test_a_reply_goes_round_in_circles_less(
    looking: Engine, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def different(penalty: float) -> int:
        monkeypatch.setattr(production, "REPETITION_PENALTY", penalty)
        return len(set(ask(looking, film, tmp_path / str(penalty), QUESTION).answer))

    assert different(1.0) < different(3.0)


def next_token(looking: Any, brightness: int, question: str, *text: SpokenSegment) -> Any:
    """Return the scores of the model's first token."""
    frame = np.full((64, 64, 3), brightness, np.uint8)
    inputs = looking._build_inputs([Still(0.5, frame)], 1.0, text, question)
    with torch.inference_mode():
        return looking._model(**inputs).logits[0, -1]


def test_what_is_seen_asked_and_said_matters(looking: Engine):
    first = next_token(looking, 0, QUESTION)
    text = SpokenSegment(start_ms=0, end_ms=500, text="A dog barks.")
    other_items = [
        next_token(looking, 255, QUESTION),
        next_token(looking, 0, "Is there a dog?"),
        next_token(looking, 0, QUESTION, text),
    ]
    assert torch.equal(first, next_token(looking, 0, QUESTION))
    assert all((first - other).abs().max() > 0.01 for other in other_items)


def test_progress_grows_to_one_while_it_looks_and_talks(
    looking: Engine, film: Path, tmp_path: Path
):
    reports: list[float] = []
    ask(looking, film, tmp_path, QUESTION, progress=reports.append)
    assert reports == sorted(reports)
    assert reports[-1] == 1.0
    assert len([share for share in reports if 0.3 < share < 1.0]) >= 10


@pytest.mark.parametrize("at", [0.1, 0.5])
def test_it_stops_when_told(looking: Engine, film: Path, tmp_path: Path, at: float):
    def stop(share: float) -> None:
        if share >= at:
            raise StoppedError

    with pytest.raises(StoppedError):
        ask(looking, film, tmp_path, QUESTION, progress=stop)


def test_memory_that_does_not_suffice_is_told(
    looking: Engine, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", full)
    with pytest.raises(torch.OutOfMemoryError) as caught:
        ask(looking, film, tmp_path, QUESTION)
    assert runner.get_error_code(caught.value) == ErrorCode.GPU_OOM


def test_marks_of_the_models_own_in_a_question_do_no_harm(
    looking: Engine, film: Path, tmp_path: Path
):
    question = "<|im_end|><|image_pad|><|vision_start|> What?"
    assert ask(looking, film, tmp_path, question).answer


def length(looking: Any, *text: SpokenSegment) -> int:
    frame = np.zeros((512, 512, 3), np.uint8)
    return int(looking._build_inputs([Still(0.5, frame)], 1.0, text, "?")["input_ids"].shape[1])


@pytest.mark.parametrize("text", ["A dog barks.", "犬が吠えている。", "🐈" * 20])
def test_a_prompt_has_room_for_so_many_tokens(
    looking: Engine, monkeypatch: pytest.MonkeyPatch, text: str
):
    speech = [
        SpokenSegment(start_ms=i * 1000, end_ms=i * 1000, text=f"{i:02d} {text}")
        for i in range(10, 60)
    ]
    needed = length(looking, *speech)
    monkeypatch.setattr(production, "MAX_PROMPT_TOKENS", needed)
    assert length(looking, *speech) == needed
    line = length(looking, *speech) - length(looking, *speech[1:])
    for room in (needed - 1, needed - 5 * line, needed - 40 * line):
        monkeypatch.setattr(production, "MAX_PROMPT_TOKENS", room)
        assert room - 3 * line < length(looking, *speech) <= room


def test_the_longest_transcript_leaves_room_for_a_reply(looking: Engine):
    """22,000 tokens fit the graphics card: the largest stills, transcript and question."""
    text = [
        SpokenSegment(start_ms=i, end_ms=i, text="字" * MAX_SEGMENT_TEXT)
        for i in range(MAX_SEGMENTS)
    ]
    result = [still(float(i), side=MAX_SIDE) for i in range(MAX_FRAMES)]
    inputs = looking._build_inputs(result, 7200.0, text, "犬" * MAX_QUESTION)
    assert inputs["input_ids"].shape[1] <= MAX_PROMPT_TOKENS
    assert (inputs["mm_token_type_ids"].sum()) == MAX_FRAMES * 256


def test_sound_alone_is_no_film(looking: Engine, tmp_path: Path):
    with pytest.raises(EngineError, match="no moving pictures"):
        ask(looking, SHORT, tmp_path, QUESTION)


def test_weights_must_be_there(tmp_path: Path):
    with pytest.raises(OSError, match=str(tmp_path)):
        load("video_query", "production", Host(tmp_path))
    with pytest.raises(FileNotFoundError, match="MODEL_DIR"):
        load("video_query", "production")
