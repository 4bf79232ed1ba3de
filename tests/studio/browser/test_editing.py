"""Cutting by words and on the timeline, by keys and by mouse; what others do meanwhile."""

import pytest

from tests.studio.browser.film import FILM_MS, WORD_MS, Film
from tests.studio.browser.window import Open, Window
from tests.waiting import until

SECONDS = 45.0
WHOLE = [(0, FILM_MS)]
IS_AT = """(seconds) => [...document.querySelectorAll(".editor-stage video")].some(
    ({ style, currentTime }) =>
        style.visibility === "visible" && Math.abs(currentTime - seconds) < 0.1
)"""


@pytest.fixture
def window(film: Film, open_window: Open) -> Window:
    opened = open_window(film.path, film.token)
    opened.wait_for_film()
    return opened


def seen(film: Film, clips: list[tuple[int, int]]) -> bool:
    return until(lambda: film.clips() == clips, SECONDS)


def test_words_are_cut_restored_and_undone(window: Window, film: Film):
    keys = window.page.keyboard
    window.cut_words(4, further=1)
    until(lambda: film.cut() == [4, 5], SECONDS)
    assert len(film.clips()) == 2
    window.wait_for_cut_words(2)
    keys.press("Delete")
    until(lambda: film.cut() == [], SECONDS)
    seen(film, WHOLE)
    keys.press("Control+z")
    until(lambda: film.cut() == [4, 5], SECONDS)
    keys.press("Control+z")
    keys.press("Control+Shift+z")
    until(lambda: film.cut() == [4, 5], SECONDS)
    keys.press("Control+z")
    seen(film, WHOLE)
    window.word(3).click()
    window.page.get_by_label("The word").fill("erm")
    keys.press("Enter")
    until(lambda: "erm" in str(film.edl()["transcript"]), SECONDS)


def test_a_word_that_is_clicked_is_where_the_film_goes(window: Window):
    window.word(6).click()
    window.until(IS_AT, 6 * WORD_MS / 1000)
    assert "editor-now" in window.word(6).get_attribute("class")
    window.page.keyboard.press("ArrowRight")
    window.page.locator(".editor-now", has_text="we").wait_for()


def test_a_clip_is_split_moved_trimmed_and_removed_by_keys(window: Window, film: Film):
    keys = window.page.keyboard
    window.word(20 - 4).click()
    at = 16 * WORD_MS
    keys.press("s")
    seen(film, [(0, at), (at, FILM_MS - at)])
    window.clip(1).focus()
    keys.press("Alt+Shift+ArrowRight")
    seen(film, [(0, at), (at + 1000, FILM_MS - at)])
    window.page.locator(".editor-ruler").press("Home")
    for _ in range(2):
        window.page.locator(".editor-ruler").press("Shift+ArrowRight")
    window.clip(0).focus()
    keys.press("]")
    seen(film, [(0, 2000), (at + 1000, FILM_MS - at)])
    window.clip(1).focus()
    keys.press("Delete")
    seen(film, [(0, 2000)])
    for _ in range(4):
        keys.press("Control+z")
    seen(film, WHOLE)


def test_a_clip_is_dragged_and_its_end_pulled(window: Window, film: Film):
    box = window.clip(0).bounding_box()
    middle = box["y"] + box["height"] / 2
    drag(window, (box["x"] + box["width"] - 3, middle), -box["width"] / 2)
    until(lambda: film.clips()[0][1] < FILM_MS * 0.6, SECONDS)
    (_, length), *_ = film.clips()
    box = window.clip(0).bounding_box()
    drag(window, (box["x"] + box["width"] / 2, middle), 100)
    until(lambda: film.clips()[0][0] > 500, SECONDS)
    assert film.clips()[0][1] == length


def drag(window: Window, start: tuple[float, float], by: float) -> None:
    mouse = window.page.mouse
    mouse.move(*start)
    mouse.down()
    mouse.move(start[0] + by / 2, start[1], steps=4)
    mouse.move(start[0] + by, start[1], steps=4)
    mouse.up()


def test_volume_and_fades_of_a_clip_are_set_and_undone(window: Window, film: Film):
    window.clip(0).click()
    bar = window.page.get_by_role("group", name="Clip", exact=True)
    volume = bar.get_by_label("Volume")
    volume.press("ArrowLeft")
    until(lambda: effects(film) == [{"type": "gain", "db": -1}], SECONDS)
    bar.get_by_label("Fade in").fill("1.5")
    bar.get_by_label("Fade out").fill("2")
    bar.get_by_label("Fade out").press("Tab")
    until(lambda: len(effects(film)) == 3, SECONDS)
    fades = {effect["type"]: effect.get("duration_ms") for effect in effects(film)}
    assert fades == {"gain": None, "fade_in": 1500, "fade_out": 2000}
    assert window.page.locator(".editor-fade").count() == 2
    assert "-1 dB" in window.clip(0).inner_text()
    assert window.findings() == []
    for _ in range(3):
        window.button("Undo", exact=True).click()
    until(lambda: effects(film) == [], SECONDS)


def effects(film: Film) -> list[dict[str, object]]:
    return film.edl()["tracks"][0]["clips"][0]["effects"]


def test_the_style_of_captions_is_set_and_seen_over_the_player(window: Window, film: Film):
    page = window.page
    page.get_by_role("tab", name="Export").click()
    page.get_by_text("Caption style").click()
    form = page.locator(".caption-style")
    form.get_by_label("Position").select_option("top")
    form.get_by_label("Background on").uncheck()
    until(lambda: style(film) == ("top", None), SECONDS)
    caption = page.locator(".editor-stage .caption-top")
    caption.wait_for()
    assert caption.inner_text().startswith("so this is um the film")
    assert window.findings() == []
    window.button("Undo", exact=True).click()
    until(lambda: style(film) == ("top", "#000000A0"), SECONDS)


def style(film: Film) -> tuple[str, str | None]:
    captions = film.edl()["captions_style"] or {"position": "bottom", "background_color": ""}
    return captions["position"], captions["background_color"]


def test_panes_are_resized_and_remembered_and_the_player_fills_the_screen(
    window: Window, film: Film
):
    page = window.page
    timeline = page.locator(".editor-timeline")
    height = timeline.bounding_box()["height"]
    page.get_by_role("separator", name="Height of the timeline").press("ArrowUp")
    assert timeline.bounding_box()["height"] > height
    media = page.locator(".panel.media")
    width = media.bounding_box()["width"]
    box = page.get_by_role("separator", name="Width of the media list").bounding_box()
    drag(window, (box["x"] + 3, box["y"] + 200), 80)
    assert media.bounding_box()["width"] == pytest.approx(width + 80, abs=2)
    page.reload()
    window.wait_for_film()
    assert media.bounding_box()["width"] == pytest.approx(width + 80, abs=2)
    assert timeline.bounding_box()["height"] > height
    window.button("Full screen").click()
    window.until("() => document.fullscreenElement?.matches('.editor-player')")
    window.button("Leave full screen").click()
    window.until("() => !document.fullscreenElement")


def test_an_edit_elsewhere_is_a_choice_and_nothing_is_lost(
    window: Window, film: Film, open_window: Open
):
    other = open_window(film.path, film.token)
    other.wait_for_film()
    window.cut_words(2)
    window.wait_until_saved()

    other.cut_words(8)
    choice = other.page.locator(".editor-conflict")
    choice.wait_for()
    other.cut_words(12)
    assert film.cut() == [2]
    other.wait_for_cut_words(3)
    choice.get_by_text("Your last 2 edits are not saved yet").wait_for()
    assert other.findings() == []
    other.picture("studio-choice")
    other.button("Reapply my edits").click()
    until(lambda: film.cut() == [2, 8, 12], SECONDS)

    window.cut_words(14)
    window.page.locator(".editor-conflict").wait_for()
    window.button("Discard my edit").click()
    window.wait_until_saved()
    assert film.cut() == [2, 8, 12]
    window.wait_for_cut_words(3)
    for item in (window, other):
        item.forgive("412")
