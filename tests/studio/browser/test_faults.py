"""What goes wrong while somebody works: it is told, and nothing is lost."""

import time
from pathlib import Path

import av
import jwt
import numpy as np
import psutil
from auteur_client import Auteur

from tests.conftest import DEAR
from tests.journeys.recordings import BROKEN, beginning, repeated
from tests.journeys.stack import JourneyStack
from tests.studio.browser.film import Film
from tests.studio.browser.window import LONG_MS, Open
from tests.waiting import until

SECONDS = 60.0
LEEWAY_SECONDS = 10
"""Of `accounts.tokens`: a token works for so long after its end."""
SERVERS = ("api", "live")
AWAY = "You are offline"
UPLOAD_BYTES_PER_SECOND = 300_000


def test_a_network_that_breaks_holds_edits_back_and_loses_none(film: Film, open_window: Open):
    window = open_window(film.path, film.token)
    window.wait_for_film()
    network = window.page.context
    network.set_offline(True)
    window.page.get_by_text(AWAY).wait_for()
    window.cut_words(3)
    window.cut_words(7)
    window.wait_for_cut_words(2)
    assert window.findings() == []
    network.set_offline(False)
    until(lambda: film.cut() == [3, 7], SECONDS)
    window.wait_until_saved()
    window.page.get_by_text(AWAY).wait_for(state="detached")
    window.forgive("ERR_INTERNET_DISCONNECTED", "ERR_NETWORK")


def test_an_upload_goes_on_where_the_network_broke(
    client: Auteur, token, open_window: Open, tmp_path
):
    recording = repeated(tmp_path / "long.wav", times=2)
    project = client.create_project("Upload")
    window = open_window(f"#/projects/{project.id}", token)
    network = window.page.context.new_cdp_session(window.page)
    limit(network, offline=False)
    window.page.locator("input[type=file]").set_input_files(recording)
    window.until("() => document.querySelector('.row progress')?.value > 0.1")
    limit(network, offline=True)
    window.page.get_by_text(AWAY).wait_for()
    limit(network, offline=False, speed=-1)
    window.button("Add long.wav to the timeline").wait_for(timeout=LONG_MS)
    window.forgive("ERR_INTERNET_DISCONNECTED", "ERR_NETWORK")


def limit(network, *, offline: bool, speed: int = UPLOAD_BYTES_PER_SECOND) -> None:
    speeds = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": speed}
    network.send("Network.enable")
    network.send("Network.emulateNetworkConditions", {"offline": offline, **speeds})


def test_a_server_that_starts_anew_is_waited_for(
    film: Film, stack: JourneyStack, open_window: Open
):
    window = open_window(film.path, film.token)
    window.wait_for_film()
    ended = [item for name in SERVERS for item in (stack.process(name), *stack.children(name))]
    for process in ended:
        process.kill()
    psutil.wait_procs(ended, timeout=SECONDS)
    window.cut_words(5)
    window.state("^(Saving|Not saved)").wait_for()
    window.wait_until_saved()
    assert film.cut() == [5]
    window.forgive("ERR_CONNECTION", "ERR_EMPTY", "ERR_INCOMPLETE", "502", "503")


def test_a_token_that_ends_is_asked_for_over_what_is_open(
    film: Film, token: str, stack: JourneyStack, open_window: Open
):
    secret = stack.env["SUPABASE_JWT_SECRET"]
    claims = jwt.decode(token, options={"verify_signature": False})
    for seconds in (8, 40):  # the second time, where the machine was too busy to open the page
        claims["exp"] = int(time.time()) + seconds - LEEWAY_SECONDS
        window = open_window(film.path, jwt.encode(claims, secret, algorithm="HS256"))
        window.word(0).or_(window.page.get_by_role("dialog")).first.wait_for()
        if window.word(0).is_visible():
            break
    until(lambda: time.time() > claims["exp"] + LEEWAY_SECONDS, SECONDS)
    window.cut_words(6)
    again = window.page.get_by_role("dialog", name="Sign in again")
    again.wait_for()
    assert window.findings() == []
    assert film.cut() == []
    again.get_by_role("button", name="Sign in for development").click()
    until(lambda: film.cut() == [6], SECONDS)
    window.wait_for_cut_words(1)
    window.forgive("401")


def test_a_token_lies_in_the_tab_alone(open_window: Open, token: str):
    window = open_window(token=token)
    window.page.locator(".projects").wait_for()
    assert window.page.context.cookies() == []
    assert token not in window.page.evaluate("JSON.stringify(localStorage)")
    another = window.page.context.new_page()
    another.goto(window.page.url)
    another.get_by_role("button", name="Sign in for development").wait_for()


def test_credits_that_end_in_the_middle_of_a_batch(
    client: Auteur, token: str, open_window: Open, tmp_path
):
    project = client.create_project("Two")
    for name in ("one.mp4", "two.mp4"):
        client.upload(beginning(tmp_path / name, seconds=2), str(project.id))
    window = open_window(f"#/projects/{project.id}", token)
    window.button("Make a film or recording smaller").click()
    form = window.page.locator(".feature-form")
    form.get_by_label("File").select_option("*")
    form.get_by_label("Purpose").select_option("web")
    window.page.get_by_text("The last jobs will not start").wait_for()
    form.get_by_role("button", name=f"{2 * DEAR} credits").click()
    window.page.get_by_text("1 of 2 jobs were started").wait_for()
    window.page.locator(".job").wait_for()
    assert window.page.locator(".job").count() == 1
    assert window.findings() == []
    window.forgive("402")


def test_a_job_that_fails_says_why_and_what_was_paid_is_there_again(
    client: Auteur, token: str, open_window: Open
):
    project = client.create_project("Broken")
    client.upload(BROKEN, str(project.id))
    window = open_window(f"#/projects/{project.id}", token)
    window.page.locator(".feature-form button", has_text="credit").click()
    job = window.page.locator(".job[data-status=failed]")
    job.wait_for(timeout=LONG_MS)
    assert "refunded" in job.inner_text()
    assert len(job.locator(".wrong").inner_text()) > 20
    job.get_by_role("button", name="Try again").wait_for()


def test_what_is_no_film_is_refused_with_a_reason(
    client: Auteur, token: str, open_window: Open, tmp_path
):
    project = client.create_project("Refused")
    fake = tmp_path / "fake.mp4"
    fake.write_bytes(b"this is no film " * 100)
    window = open_window(f"#/projects/{project.id}", token)
    page = window.page
    refused = page.locator(".row[data-state=refused]")
    page.locator("input[type=file]").set_input_files(fake)
    refused.locator(".wrong").wait_for()
    assert window.findings() == []
    window.button("Dismiss fake.mp4").click()
    refused.wait_for(state="detached")
    until(lambda: not files(client, str(project.id)), SECONDS)

    page.locator("input[type=file]").set_input_files(fake)
    refused.locator(".wrong").wait_for()
    page.reload()
    page.get_by_text("Drop videos, sounds or pictures").wait_for()
    window.until("() => document.querySelector('.drop.large')")
    assert page.locator(".row").count() == 0
    window.forgive("409")


def files(client: Auteur, project_id: str) -> list[object]:
    return client.request("GET", f"/projects/{project_id}/media")["media"]


def test_a_film_that_this_browser_cannot_play_can_be_cut(
    client: Auteur, token: str, open_window: Open, tmp_path
):
    film = Film(client, token, file=unplayable(tmp_path / "old.mp4"))
    window = open_window(film.path, token)
    window.page.get_by_text("This browser cannot play old.mp4").wait_for()
    window.cut_words(2)
    until(lambda: film.cut() == [2], SECONDS)
    window.button("Preview old.mp4").click()
    window.page.get_by_text("This browser cannot play this file").wait_for()
    window.forgive("ERR_", "media")


def unplayable(path: Path) -> Path:
    """MPEG-4 Part 2: a film of before H.264, which Chromium has no decoder for."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mpeg4", rate=10)
        stream.width, stream.height = 320, 180
        for n in range(340):
            picture = np.full((180, 320, 3), n % 255, dtype=np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode())
    return path
