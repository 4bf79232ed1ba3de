"""How a text is given to F5-TTS: pieces, lengths, steps."""

import pytest

from gpu_tasks.runtime.errors import EngineError, ErrorCode
from gpu_tasks.tts import planning
from gpu_tasks.tts.contract import MAX_CHARACTERS, MAX_SPEED, MIN_SPEED
from gpu_tasks.tts.planning import (
    FRAMES_PER_SECOND,
    MAX_BYTES_PER_SECOND,
    MAX_PIECE_BYTES,
    MIN_BYTES_PER_SECOND,
    MIN_PIECE_BYTES,
    SHORT_BYTES,
    STEPS,
    STOCK,
    WINDOW_SECONDS,
    Reference,
)


def reference(seconds: float = 5.0, characters: int = 75) -> Reference:
    """Return a sample with fifteen characters a second, unless told otherwise."""
    return Reference(frames=round(seconds * FRAMES_PER_SECOND), text="a" * characters)


def test_speech_keeps_the_rate_of_the_sample():
    assert reference().bytes_per_second == pytest.approx(15, rel=0.01)
    frames = planning.count_frames(reference(), "b" * 150, 1.0)
    assert frames == pytest.approx(10 * FRAMES_PER_SECOND, rel=0.01)


@pytest.mark.parametrize("speed", [MIN_SPEED, 1.25, MAX_SPEED])
def test_speed_changes_the_length(speed: float):
    usual = planning.count_frames(reference(), "b" * 150, 1.0)
    assert planning.count_frames(reference(), "b" * 150, speed) == pytest.approx(
        usual / speed, rel=0.01
    )


def test_letters_count_as_their_bytes():
    latin = planning.count_frames(reference(), "b" * 60, 1.0)
    assert planning.count_frames(reference(), "是" * 20, 1.0) == latin


def test_short_texts_are_given_more_time():
    at_the_limit = planning.count_frames(reference(), "b" * SHORT_BYTES, 1.0)
    shorter = planning.count_frames(reference(), "b" * (SHORT_BYTES - 1), 1.0)
    assert shorter > 2 * at_the_limit
    slow = planning.count_frames(reference(), "b" * (SHORT_BYTES - 1), MIN_SPEED)
    assert slow == shorter


@pytest.mark.parametrize("speed", [MIN_SPEED, 1.0, MAX_SPEED])
@pytest.mark.parametrize("seconds", [1.0, 5.0, 12.0])
def test_a_piece_fits_the_window_beside_the_sample(seconds: float, speed: float):
    current = reference(seconds, round(15 * seconds))
    limit = planning.compute_piece_bytes(current, speed)
    frames = planning.count_frames(current, "b" * limit, speed)
    assert current.frames + frames <= (WINDOW_SECONDS + 0.1) * FRAMES_PER_SECOND
    assert MIN_PIECE_BYTES < limit <= MAX_PIECE_BYTES


@pytest.mark.parametrize(
    ("characters", "rate"), [(0, MIN_BYTES_PER_SECOND), (10_000, MAX_BYTES_PER_SECOND)]
)
def test_a_sample_that_was_not_understood_does_not_set_the_rate(characters: int, rate: float):
    assert reference(5.0, characters).bytes_per_second == rate


@pytest.mark.parametrize(("maximum", "steps"), STEPS[:-1])
def test_more_speech_is_made_in_fewer_steps(maximum: float, steps: int):
    frames = int(maximum * FRAMES_PER_SECOND)
    assert planning.choose_steps(frames) == steps
    assert planning.choose_steps(frames + 1) < steps


def test_every_number_of_steps_fits_the_time_limit():
    for maximum, steps in STEPS:
        assert 0.15 * maximum * steps / 16 < 100


@pytest.mark.parametrize("speed", [MIN_SPEED, 1.0, MAX_SPEED])
def test_the_stock_voice_reads_the_longest_latin_text_at_any_speed(speed: float):
    text = ("The story starts when she opens the letter. " * 120)[:MAX_CHARACTERS]
    plan = planning.plan_speech(STOCK, text, speed)
    assert sum(map(planning.count_bytes, plan.parts)) > 0.95 * MAX_CHARACTERS
    assert plan.steps >= 7


def test_a_text_that_takes_too_long_is_refused_by_how_much():
    maximum, _ = STEPS[-1]
    frames = int(maximum * FRAMES_PER_SECOND)
    assert planning.choose_steps(frames) == 7
    for beyond, percent in [(1, 1), (frames, 50)]:
        with pytest.raises(EngineError, match=f" {percent} % shorter") as caught:
            planning.choose_steps(frames + beyond)
        assert caught.value.code == ErrorCode.INPUT_INVALID


def test_letters_of_three_bytes_take_three_times_as_long():
    planning.plan_speech(STOCK, "是" * (MAX_CHARACTERS // 3), 1.0)
    with pytest.raises(EngineError):
        planning.plan_speech(STOCK, "是" * MAX_CHARACTERS, 1.0)


def test_a_piece_costs_its_sample_as_well():
    usual = planning.plan_speech(STOCK, "a" * 1000, 1.0)
    long = Reference(frames=2 * STOCK.frames, text=2 * STOCK.text)
    assert planning.plan_speech(long, "a" * 1000, 1.0).steps < usual.steps


def test_many_short_lines_are_read_like_one_paragraph():
    lines = planning.plan_speech(STOCK, "\n".join(["Who? Me."] * 500), 1.0)
    assert len(lines.parts) < 50
