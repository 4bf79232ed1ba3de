"""The editor in a browser, on a running stack: cutting by words and on the timeline."""

import json
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator

import pytest

from auteur.devstack.processes import BASE_DIR
from tests.journeys.client import Person
from tests.journeys.conftest import started
from tests.journeys.recordings import INTERVIEW
from tests.journeys.stack import JourneyStack
from tests.waiting import until

sync_api = pytest.importorskip("playwright.sync_api")

CLIENTS = BASE_DIR / "clients"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
MISSING = 127
BUILD_SECONDS = 240
WAIT_SECONDS = 30.0
FILM_MS = 33_609

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not here")


@pytest.fixture(scope="module")
def stack() -> Iterator[JourneyStack]:
    """With the studio built."""
    node = [CLIENTS / "node.sh", "npm", "--version"]
    if subprocess.run(node, capture_output=True, check=False).returncode == MISSING:
        pytest.skip("npm is not here: install Node.js 20 or later")
    subprocess.run(["sh", CLIENTS / "studio/build.sh"], check=True, timeout=BUILD_SECONDS)
    with started({}) as running:
        yield running


@pytest.fixture(scope="module")
def person(stack: JourneyStack) -> Person:
    email = f"{uuid.uuid4().hex[:8]}@example.com"
    someone = Person(stack, email)
    stack.manage("grant_credits", "--email", email, "--amount", "10")
    return someone


@pytest.fixture(scope="module")
def project_id(person: Person) -> str:
    """With a film that has a transcript and is on the timeline."""
    found = str(person.post("/projects", {"name": "Interview"})["id"])
    media_id = person.media_of(found, INTERVIEW)
    assert person.wait_for(person.transcribe(media_id), seconds=120)["status"] == "completed"
    track = {"op": "add_track", "type": "video", "name": "Film", "track_id": "film"}
    clip = {
        "op": "add_clip",
        "track_id": "film",
        "media_file_id": media_id,
        "start_ms": 0,
        "in_point_ms": 0,
        "out_point_ms": FILM_MS,
    }
    person.patch(f"/projects/{found}/edl", {"operations": [track, clip]})
    return found


@pytest.fixture
def page(stack: JourneyStack, person: Person, project_id: str) -> Iterator[sync_api.Page]:
    kept = json.dumps({"token": person._token, "refresh": None})
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 860})
        page.add_init_script(f"sessionStorage.setItem('auteur.session', {json.dumps(kept)})")
        page.goto(f"{stack.api_url}/studio/#/projects/{project_id}")
        page.wait_for_selector(".editor-clip")
        page.wait_for_selector(".editor-word")
        yield page
        browser.close()


@pytest.fixture
def clips(person: Person, project_id: str) -> Callable[[], list[tuple[int, int]]]:
    """The server's view: start and length of what plays."""

    def read() -> list[tuple[int, int]]:
        tracks = person.get(f"/projects/{project_id}/edl")["tracks"]
        live = [clip for track in tracks for clip in track["clips"] if not clip["deleted"]]
        return sorted((clip["start_ms"], clip["duration_ms"]) for clip in live)

    return read


def test_words_are_cut_restored_and_undone(page, clips):
    page.locator("[data-place='20']").click()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Delete")
    until(lambda: len(clips()) > 1, WAIT_SECONDS)
    assert page.locator(".editor-cut").count() == 2
    page.keyboard.press("Delete")
    until(lambda: clips() == [(0, FILM_MS)], WAIT_SECONDS)
    assert page.locator(".editor-cut").count() == 0
    page.keyboard.press("Control+z")
    until(lambda: len(clips()) > 1, WAIT_SECONDS)
    page.keyboard.press("Control+z")
    until(lambda: clips() == [(0, FILM_MS)], WAIT_SECONDS)


def test_a_clip_is_split_moved_and_deleted_by_keys(page, clips):
    page.locator("[data-place='20']").click()
    page.keyboard.press("s")
    until(lambda: len(clips()) == 2, WAIT_SECONDS)
    (_, first), (second, _) = clips()
    page.locator(".editor-clip").nth(1).focus()
    page.keyboard.press("Alt+Shift+ArrowRight")
    until(lambda: clips()[1][0] == second + 1000, WAIT_SECONDS)
    page.keyboard.press("Delete")
    until(lambda: clips() == [(0, first)], WAIT_SECONDS)
    for _ in range(3):
        page.keyboard.press("Control+z")
    until(lambda: clips() == [(0, FILM_MS)], WAIT_SECONDS)


def test_the_film_plays_and_its_word_is_marked(page):
    page.locator(".editor-play").click()
    until(lambda: page.locator(".editor-now").count() == 1, WAIT_SECONDS)
    seconds = "document.querySelector('.editor-stage video').currentTime"
    until(lambda: page.evaluate(seconds) > 1, WAIT_SECONDS)


def test_somebody_elses_edit_is_a_choice_and_nothing_is_lost(page, person, project_id, clips):
    theirs = {"operations": [{"op": "add_track", "type": "audio", "name": "Theirs"}]}
    person.patch(f"/projects/{project_id}/edl", theirs)
    page.locator("[data-place='3']").click()
    page.keyboard.press("Delete")
    page.locator(".editor-conflict").wait_for()
    assert page.locator(".editor-cut").count() == 1
    assert clips() == [(0, FILM_MS)]
    page.get_by_role("button", name="Make my edits on it").click()
    until(lambda: len(clips()) == 2, WAIT_SECONDS)
    assert "Theirs" in page.locator(".editor-names").inner_text()


def test_edits_wait_while_there_is_no_network(page, clips):
    before = len(clips())
    page.context.set_offline(True)
    page.locator("[data-place='30']").click()
    page.keyboard.press("Delete")
    page.wait_for_timeout(1000)
    assert len(clips()) == before
    page.context.set_offline(False)
    until(lambda: len(clips()) > before, WAIT_SECONDS)
