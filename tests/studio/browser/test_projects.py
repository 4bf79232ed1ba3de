"""Starting projects and putting files on the timeline; what features are called and cost."""

from pathlib import Path
from typing import Any

import av
import numpy as np
from auteur_client import Auteur

from tests.journeys.recordings import SAMPLES
from tests.studio.browser.window import LONG_MS, Open
from tests.waiting import until

SECONDS = 60.0


def tracks(client: Auteur, project_id: str) -> list[tuple[str, int]]:
    """Type and number of clips of each track."""
    edl = client.request("GET", f"/projects/{project_id}/edl")
    return [
        (track["type"], sum(not clip["deleted"] for clip in track["clips"]))
        for track in edl["tracks"]
    ]


def open_project_id(page: Any) -> str:
    return str(page.url.rpartition("/")[2])


def test_the_sample_project_is_on_its_timeline_and_offers_a_transcript(
    client: Auteur, token: str, open_window: Open
):
    window = open_window(token=token)
    page = window.page
    window.button("Sample project").click()
    window.clip(0).wait_for(timeout=LONG_MS)
    project_id = open_project_id(page)
    until(lambda: tracks(client, project_id) == [("video", 1)], SECONDS)

    page.get_by_text("interview.mp4 is on the timeline").wait_for()
    page.locator(".notice").get_by_role("button", name="Undo").click()
    until(lambda: tracks(client, project_id) == [], SECONDS)
    page.get_by_text("The timeline is empty. Drop a video").wait_for()
    assert page.locator(".editor-track").count() == 0
    page.keyboard.press("Control+z")
    until(lambda: tracks(client, project_id) == [("video", 1)], SECONDS)

    offer = page.locator(".offer")
    assert offer.get_by_label("Spoken language").input_value() == "en"
    offer.get_by_role("button", name="Transcribe · 1 credit").click()
    page.get_by_text("Transcribing").wait_for()
    window.word(20).wait_for(timeout=LONG_MS)
    offer.wait_for(state="detached")


def test_a_picture_goes_on_a_video_track_and_a_sound_on_a_sound_track(
    client: Auteur, token: str, open_window: Open, tmp_path: Path
):
    project = client.create_project("Kinds")
    window = open_window(f"#/projects/{project.id}", token)
    files = [SAMPLES / "portrait.jpg", tone(tmp_path / "tone.wav")]
    window.page.locator("input[type=file]").set_input_files(files)
    both = {("video", 1), ("audio", 1)}
    until(lambda: set(tracks(client, str(project.id))) == both, SECONDS)
    window.clip(1).wait_for()

    notices = window.page.locator(".notice")
    notices.filter(has_text="portrait.jpg").get_by_role("button", name="Undo").click()
    until(lambda: tracks(client, str(project.id)) == [("audio", 1)], SECONDS)
    notices.filter(has_text="tone.wav").get_by_role("button", name="Undo").click()
    until(lambda: tracks(client, str(project.id)) == [], SECONDS)


def test_undo_of_a_second_file_keeps_the_track(
    client: Auteur, token: str, open_window: Open, tmp_path: Path
):
    project = client.create_project("Twice")
    window = open_window(f"#/projects/{project.id}", token)
    field = window.page.locator("input[type=file]")
    field.set_input_files(tone(tmp_path / "first.wav"))
    until(lambda: tracks(client, str(project.id)) == [("audio", 1)], SECONDS)
    field.set_input_files(tone(tmp_path / "second.wav"))
    until(lambda: tracks(client, str(project.id)) == [("audio", 2)], SECONDS)
    notice = window.page.locator(".notice", has_text="second.wav")
    notice.get_by_role("button", name="Undo").click()
    until(lambda: tracks(client, str(project.id)) == [("audio", 1)], SECONDS)


def tone(path: Path) -> Path:
    """Write one second of a tone."""
    rate = 16_000
    samples = (np.sin(np.arange(rate) / 10) * 8000).astype(np.int16)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_a_project_is_renamed_copied_and_deleted_on_its_card(
    client: Auteur, token: str, open_window: Open
):
    client.create_project("First")
    window = open_window(token=token)
    page = window.page
    year = client.request("GET", "/projects")["projects"][0]["updated_at"][:4]
    assert year in page.locator(".project time").inner_text()

    page.get_by_label("Actions for First").click()
    window.button("Rename").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Second")
    assert window.findings() == []
    dialog.get_by_role("button", name="Rename").click()
    page.get_by_role("link", name="Second").wait_for()

    page.get_by_label("Actions for Second").click()
    window.button("Copy").click()
    page.get_by_role("link", name="Second copy").wait_for()
    page.get_by_label("Actions for Second copy").click()
    window.button("Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    page.get_by_role("link", name="Second copy").wait_for(state="detached")
    assert [item["name"] for item in client.request("GET", "/projects")["projects"]] == ["Second"]


def test_a_length_is_asked_for_in_seconds(client: Auteur, token: str, open_window: Open):
    project = client.create_project("Rain")
    window = open_window(f"#/projects/{project.id}", token)
    window.button("Sound generation").click()
    form = window.page.locator(".feature-form")
    form.get_by_label("Description").fill("heavy rain")
    assert form.get_by_label("Length in seconds").input_value() == "5"
    form.get_by_label("Length in seconds").fill("11")
    form.get_by_role("button", name="Sound generation · 6 credits").click()
    jobs = f"/jobs?project_id={project.id}"
    until(lambda: len(client.request("GET", jobs)["jobs"]) == 1, SECONDS)
    job_id = client.request("GET", jobs)["jobs"][0]["id"]
    assert client.request("GET", f"/jobs/{job_id}")["input_params"]["duration_ms"] == 11_000


def test_features_have_words_and_a_locked_one_has_no_form(
    client: Auteur, token: str, open_window: Open
):
    project = client.create_project("Words")
    window = open_window(f"#/projects/{project.id}", token)
    page = window.page
    form = page.locator(".feature-form")
    assert form.get_by_label("Language").evaluate("(field) => field.tagName") == "SELECT"
    window.button("Voice-over").click()
    assert form.get_by_label("Voice").is_visible()
    page.get_by_text("Up to 5,000 characters").wait_for()
    panel = page.locator(".features")
    for name in ("/voices", "ISO 639", "Tts", "Duration sec"):
        assert name not in panel.inner_text()
    assert "Pro plan" in window.button("Video generation").inner_text()
    window.button("Video generation").click()
    page.get_by_text("part of the Pro plan, which your account does not have").wait_for()
    assert form.count() == 0
    assert window.findings() == []
