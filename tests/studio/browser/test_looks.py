"""On a phone, in the dark, in other scripts, and with very much to read."""

import pytest
from auteur_client import Auteur

from tests.studio.browser.film import Film
from tests.studio.browser.window import Open
from tests.waiting import until

SECONDS = 45.0
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
SCRIPTS = [
    "שלום",
    "עולם",
    "هذا",
    "فيلم",
    "👩🏽‍🚀🎬",
    "日本語",
    "naïve",
    "<b>bold</b>",
    "&amp;",
    "ok",
]
MANY = 10_000


TABLET = {"viewport": {"width": 820, "height": 1180}, "has_touch": True, "is_mobile": True}
NESTED = """() => [...document.querySelectorAll("#main *")].filter((box) =>
    box.scrollHeight > box.clientHeight + 1 && box.clientHeight > 1
    && ["auto", "scroll"].includes(getComputedStyle(box).overflowY)
    && !box.matches("textarea, select")).map((box) => box.className)"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_one_part_is_shown_and_nothing_scrolls_sideways_or_inside_another(
    film: Film, open_window: Open, scheme
):
    window = open_window(film.path, film.token, color_scheme=scheme, **PHONE)
    window.wait_for_film()
    parts = window.page.get_by_role("navigation", name="Parts of the project")
    for part, text in {
        "Media": "Drop videos",
        "Jobs": "No jobs yet",
        "Export": "Subtitle files",
        "Tools": "Voice-over",
        "Edit": "Cut silences",
    }.items():
        parts.get_by_role("button", name=part).tap()
        window.page.get_by_text(text).first.wait_for()
        assert window.overflow() == 0
        assert window.page.evaluate(NESTED) == [], part
    assert not window.page.get_by_text("Drop videos").is_visible()
    if scheme == "dark":
        window.picture("studio-phone-dark")
    if scheme == "light":
        assert window.findings() == []
    window.word(2).tap()
    window.button("Cut 1 word").tap()
    until(lambda: film.cut() == [2], SECONDS)
    window.page.goto(window.page.url.partition("#")[0])
    window.page.locator(".project").wait_for()
    assert window.overflow() == 0


def test_on_a_tablet_player_transcript_and_timeline_are_on_the_first_screen(
    film: Film, open_window: Open
):
    window = open_window(film.path, film.token, **TABLET)
    window.wait_for_film()
    window.until("() => document.querySelector('#main').scrollTop === 0")
    assert window.overflow() == 0
    for part in (".editor-stage", ".editor-words", ".editor-clip", ".panel.media", ".tabs"):
        box = window.page.locator(part).first.bounding_box()
        assert 0 <= box["y"] < box["y"] + box["height"] <= TABLET["viewport"]["height"], part


def test_dark_and_light_follow_the_system_until_one_is_chosen(open_window: Open):
    window = open_window(color_scheme="dark")
    page = window.page
    page.locator(".card").wait_for()
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    page.emulate_media(color_scheme="light")
    assert page.evaluate(background) != dark


def test_any_script_is_shown_as_it_is_and_cut(client: Auteur, token, open_window: Open):
    film = Film(client, token, SCRIPTS)
    window = open_window(film.path, token)
    window.wait_for_film()
    assert [window.word(n).inner_text() for n in range(len(SCRIPTS))] == SCRIPTS
    first = window.page.locator(".editor-segment").first
    assert first.evaluate("(each) => getComputedStyle(each).direction") == "rtl"
    window.word(1).click()
    window.page.keyboard.press("ArrowLeft")
    window.page.keyboard.press("Delete")
    until(lambda: film.cut() == [2], SECONDS)
    client.request("PATCH", f"/projects/{film.id}", json={"name": "🎬 סרט <script>"})
    window.page.reload()
    window.until("() => document.title.startsWith('🎬 סרט <script>')")


def test_ten_thousand_words_are_read_and_cut(client: Auteur, token, open_window: Open):
    film = Film(client, token, [f"word{n}" for n in range(MANY)], word_ms=3)
    window = open_window(film.path, token)
    window.wait_for_film()
    assert window.page.locator("[data-place]").count() == MANY
    window.word(MANY - 2).scroll_into_view_if_needed()
    took = window.page.evaluate(PRESS, MANY - 2)
    until(lambda: film.cut() == [MANY - 2], SECONDS)
    assert took < 3000, f"{took:.0f} ms from the key to the picture"


PRESS = """async (place) => {
    const word = document.querySelector(`[data-place="${place}"]`);
    word.click();
    const begun = performance.now();
    const press = new KeyboardEvent("keydown", { key: "Delete", bubbles: true });
    word.closest(".editor-words").dispatchEvent(press);
    await new Promise((painted) => requestAnimationFrame(() => setTimeout(painted)));
    return performance.now() - begun;
}"""
