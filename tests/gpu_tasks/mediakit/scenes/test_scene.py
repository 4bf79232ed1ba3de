"""Pictures of prompts: what is asked for is to be seen in them."""

import numpy as np
import pytest

from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.scenes.scene import Scene
from gpu_tasks.mediakit.scenes.stage import HORIZON, Stage, parse_colour
from gpu_tasks.mediakit.scenes.things import DRAWINGS, draw_thing, write_sign
from gpu_tasks.mediakit.scenes.words import VOCABULARY, parse_prompt

WIDTH, HEIGHT = 208, 120
SEED = 4
RED = (180, 110, 110)
"""Of a pixel that is clearly red: the least of red, the most of green and blue."""


def frame(prompt: str, seconds: float = 0.0, seed: int = SEED) -> Frame:
    return Scene(prompt, width=WIDTH, height=HEIGHT, seed=seed).frame(seconds)


def sky(picture: Frame) -> np.ndarray:
    return picture[: round(HEIGHT * HORIZON)].astype(np.float64)


def ground(picture: Frame) -> np.ndarray:
    return picture[round(HEIGHT * HORIZON) + 2 :].astype(np.float64)


def change(item: Frame, other: Frame) -> float:
    return float(np.abs(item.astype(float) - other.astype(float)).mean())


def red_share(picture: Frame) -> float:
    red, green, blue = np.moveaxis(picture.astype(int), 2, 0)
    return float(((red > RED[0]) & (green < RED[1]) & (blue < RED[2])).mean())


def test_the_same_seed_makes_the_same_picture():
    prompt = "a city in the rain at night"
    assert np.array_equal(frame(prompt), frame(prompt))
    assert np.array_equal(frame(prompt, 1.7), frame(prompt, 1.7))


def test_another_seed_or_prompt_makes_another_picture():
    assert change(frame("mountains"), frame("mountains", seed=SEED + 1)) > 2
    assert change(frame("mountains"), frame("desert")) > 10
    assert change(frame("Quidditch"), frame("Hogwarts")) > 10


def test_times_of_day_differ_in_light():
    noon, sunset, night = (sky(frame(f"a field at {hour}")) for hour in ("noon", "sunset", "night"))
    assert noon.mean() > sunset.mean() > night.mean() > 5
    assert noon[..., 2].mean() > noon[..., 0].mean() + 20
    assert sunset[..., 0].mean() > sunset[..., 2].mean() + 10


def test_grounds_have_their_colours():
    green = ground(frame("a meadow")).mean(axis=(0, 1))
    sand = ground(frame("the sahara")).mean(axis=(0, 1))
    water = ground(frame("the ocean")).mean(axis=(0, 1))
    assert green.argmax() == 1
    assert sand[0] > sand[1] > sand[2]
    assert water[2] > water[0] + 20
    assert ground(frame("a snowy field")).mean() > 180


def test_a_thing_has_the_colour_that_was_said():
    assert red_share(frame("a red balloon over a field")) > 0.003
    assert red_share(frame("a blue balloon over a field")) < 0.001


def test_more_of_a_thing_cover_more():
    shares = [red_share(frame(f"{count} red balloons over the ocean")) for count in (1, 4, 9)]
    assert shares[0] < shares[1] < shares[2]


def test_a_colour_of_nothing_tinges_the_picture():
    plain, pink = (sky(frame(prompt)) for prompt in ("an evening", "a pink evening"))
    assert change(plain, pink) > 5


def test_vivid_is_further_from_grey():
    plain, vivid = (sky(frame(prompt)) for prompt in ("a desert", "a vivid desert"))
    assert np.ptp(vivid, axis=2).mean() > np.ptp(plain, axis=2).mean() + 5


def test_snow_is_white_and_fog_is_dull():
    clear, fog = (sky(frame(f"a forest in {weather}")) for weather in ("summer", "fog"))
    assert fog.std() < clear.std()


def test_lightning_strikes_and_fades():
    struck, later = frame("a thunderstorm", 0.02), frame("a thunderstorm", 1.5)
    assert struck.max() > 240
    assert sky(struck).mean() > sky(later).mean() + 3


@pytest.mark.parametrize(
    "prompt",
    [
        "sea",
        "rain",
        "snow",
        "fire",
        "birds",
        "fish",
        "boat",
        "car",
        "aurora",
        "fog",
        "underwater",
        "abstract",
        "clouds",
        "balloon",
        "space",
        "room with a cat",
        "mountains",
    ],
)
def test_it_moves_in_small_steps(prompt: str):
    scene = Scene(prompt, width=WIDTH, height=HEIGHT, seed=SEED)
    start = scene.frame(1.0)
    soon, later = change(start, scene.frame(1.0 + 1 / 16)), change(start, scene.frame(3.0))
    assert 0 < soon < 12
    assert later > 2


def test_the_camera_never_shows_an_edge():
    scene = Scene("mountains behind a forest by a lake", width=WIDTH, height=HEIGHT, seed=SEED)
    for seconds in range(0, 20, 2):
        picture = scene.frame(float(seconds))
        assert picture[10:-10, :3].mean() > 15
        assert picture[10:-10, -3:].mean() > 15


@pytest.mark.parametrize(
    ("width", "height"), [(256, 256), (1024, 256), (256, 1024), (832, 480), (480, 832)]
)
@pytest.mark.parametrize("prompt", ["a boat on the sea at night", "a city street, car"])
def test_any_size_is_drawn(prompt: str, width: int, height: int):
    picture = Scene(prompt, width=width, height=height, seed=SEED).frame()
    assert picture.shape == (height, width, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 5


@pytest.mark.parametrize("term", sorted({f"{kind} {name}" for kind, name in VOCABULARY.values()}))
def test_everything_that_is_understood_changes_the_picture(term: str):
    word = term.partition(" ")[2]
    reports = Scene(word, width=WIDTH, height=HEIGHT, seed=SEED)
    assert reports.understood == [word]
    assert change(reports.frame(1.0), frame("zzz", 1.0)) > 3


def sheet(name: str, height: int) -> Stage:
    """Return a thing alone on a black canvas, its foot at (240, 220)."""
    canvas = np.zeros((240, 480, 3), np.uint8)
    stage = Stage(parse_prompt(""), canvas, np.random.default_rng(1), 0.0)
    draw_thing(stage, name, (240, 220), height, parse_colour("d13b3b"))
    return stage


@pytest.mark.parametrize("name", sorted(DRAWINGS.keys() - {"street"}))  # that crosses the picture
def test_every_thing_can_be_drawn_small_and_large(name: str):
    for height in (8, 200):
        inked = np.argwhere((sheet(name, height).canvas > 0).any(axis=2))
        (top, left), (bottom, right) = inked.min(axis=0), inked.max(axis=0)
        assert 220 - height - 1 <= top < bottom <= 221
        assert 0.1 < len(inked) / ((bottom - top + 1) * (right - left + 1)) < 0.95


def test_a_caption_is_written_on_the_board_of_a_sign():
    canvas = sheet("sign", 200).canvas
    blank = canvas.copy()
    write_sign(canvas, "Grüße aus Köln und von überall her", (240, 220), 200)
    inked = np.argwhere((blank != canvas).any(axis=2))
    assert len(inked) > 200
    (top, left), (bottom, right) = inked.min(axis=0), inked.max(axis=0)
    assert 220 - 2 * 91 < top < bottom < 220 - 2 * 38
    assert 240 - 2 * 67 < left < right < 240 + 2 * 67


def test_a_caption_is_written_on_a_sign():
    def inked(prompt: str) -> np.ndarray:
        picture = Scene(prompt, width=416, height=240, seed=SEED).frame()
        return np.argwhere((picture < 60).all(axis=2))

    written = inked("a sign in a field 'Grüße aus Köln und von überall her'")
    assert len(written) > len(inked("a sign in a field")) + 100


def test_words_in_quotes_are_shown_on_a_sign_if_no_sign_is_asked_for():
    assert change(frame("a field"), frame("a field 'Hello'")) > 2
