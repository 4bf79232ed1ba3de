"""From an empty stack to a film that was cut by its words and taken home."""

import gzip
import sys
import uuid

import av
import pytest

from tests.journeys.recordings import beginning
from tests.studio.browser.window import LONG_MS, STUDIO, Open, Window, saved

SECONDS = 14  # of the film
MOST_SCRIPT_BYTES = 200_000
STATUSES = """() => {
    window.seen = new Set();
    const look = () => {
        for (const job of document.querySelectorAll(".job")) seen.add(job.dataset.status);
    };
    const all = { subtree: true, childList: true, attributes: true };
    new MutationObserver(look).observe(document.body, all);
}"""
COLOURS = """() => {
    const canvas = document.querySelector(".editor-clip canvas");
    if (!canvas?.width) return false;
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return new Set(new Uint32Array(data.buffer)).size > %d;
}"""
PLAYS = """() => Number(document.querySelector(".editor-ruler").ariaValueNow) > 1000
    && [...document.querySelectorAll(".editor-stage video")].some((film) => !film.paused)"""
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
STILL_COLOURS = 100


def test_the_script_is_small():
    scripts = (STUDIO / "dist" / "assets").glob("*.js")
    assert sum(len(gzip.compress(script.read_bytes())) for script in scripts) < MOST_SCRIPT_BYTES


def test_from_nothing_to_a_film(open_window: Open, tmp_path, capsys):
    window = open_window()
    page = window.page
    window.button("Sign in for development").wait_for()
    with capsys.disabled():
        sys.stdout.write(f"\nfirst paint after {page.evaluate(PAINTED):.0f} ms\n")
    assert window.findings() == []
    page.get_by_label("Email address").fill(f"{uuid.uuid4().hex[:8]}@example.com")
    window.button("Sign in for development").click()

    page.get_by_text("Drop a video here to start a project").wait_for()
    assert window.findings() == []
    page.locator("input[type=file]").set_input_files(beginning(tmp_path / "interview.mp4", SECONDS))
    window.clip(0).wait_for(timeout=LONG_MS)

    window.until(COLOURS % STILL_COLOURS)
    page.get_by_role("tab", name="Export").click()
    assert window.button("SRT").is_disabled()
    page.get_by_role("tab", name="Tools").click()
    transcribe(window)
    cut_and_look(window)
    film = render(window)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert duration_ms(saved(download.value, tmp_path)) == pytest.approx(film, abs=150)
    with page.expect_download() as download:
        window.button("SRT").click()
    assert "-->" in saved(download.value, tmp_path).read_text()
    see_results_after_a_reload(window)

    window.button("credits").click()
    rows = page.get_by_role("dialog", name="Credits").get_by_role("row")
    rows.nth(3).wait_for()
    assert "+100" in rows.nth(3).inner_text()
    assert window.findings() == []
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Auteur").click()
    page.locator(".project img").wait_for()
    window.picture("studio-home")


def transcribe(window: Window) -> None:
    """Press the feature with its price, and hear of its progress."""
    page = window.page
    page.evaluate(STATUSES)
    button = page.locator(".feature-form button", has_text="credit")
    assert "Transcription" in button.inner_text()
    button.click()
    page.locator(".job[data-status=completed]").wait_for(timeout=LONG_MS)
    assert set(page.evaluate("[...seen]")) > {"completed"}
    window.word(20).wait_for()


def cut_and_look(window: Window) -> None:
    """Two words go; the film plays on over the cut, and its words are marked."""
    page = window.page
    window.cut_words(10, further=1)
    window.wait_until_saved()
    window.clip(1).wait_for()
    window.wait_for_cut_words(2)
    window.until(COLOURS % STILL_COLOURS)
    page.locator(".editor-ruler").press("Home")
    page.locator(".editor-ruler").press(" ")
    window.until(PLAYS)
    page.locator(".editor-now").wait_for()
    window.button("Pause").click()
    assert window.findings() == []
    window.word(14).click()
    window.picture("studio")


def see_results_after_a_reload(window: Window) -> None:
    """Find the player, the download and the whole text of each result in the list of jobs."""
    page = window.page
    page.reload()
    window.wait_for_film()
    page.get_by_role("tab", name="Jobs").click()
    card = page.locator(".job", has_text="Render")
    card.locator("video[poster]").wait_for()
    card.get_by_role("link", name="Download").wait_for()
    page.get_by_text("of speech").wait_for()
    window.until(
        "() => [...document.querySelectorAll('.job, .job *')]"
        ".every((element) => element.scrollWidth <= element.clientWidth + 1"
        " || getComputedStyle(element).overflowX === 'visible')"
    )
    assert window.findings() == []
    window.picture("studio-jobs")


def render(window: Window) -> int:
    """Its length in milliseconds; the result is played in the page."""
    page = window.page
    page.get_by_role("tab", name="Export").click()
    page.locator(".export .feature-form button", has_text="credit").click()
    video = page.locator(".export video")
    video.wait_for(timeout=LONG_MS)
    video.evaluate("(film) => film.play()")
    window.until("() => document.querySelector('.export video').currentTime > 1")
    video.evaluate("(film) => film.pause()")
    assert window.findings() == []
    window.picture("studio-export")
    length = round(video.evaluate("(film) => film.duration") * 1000)
    assert 2000 < length < SECONDS * 1000 - 100
    return length


def duration_ms(path) -> int:
    with av.open(str(path)) as film:
        return film.duration // 1000
