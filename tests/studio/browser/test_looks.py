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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_scrolls_sideways(film: Film, open_window: Open, scheme):
    window = open_window(film.path, film.token, color_scheme=scheme, **PHONE)
    window.wait_for_film()
    assert window.overflow() == 0
    for tab in ("Jobs", "Deliver", "Work"):
        window.page.get_by_role("tab", name=tab).click()
        assert window.overflow() == 0
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
