"""Test the Python client against the running stack, over networks that break."""

import logging
import threading
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
from auteur_client import (
    Auteur,
    AuteurError,
    InsufficientCreditsError,
    JobFailedError,
    NotSignedInError,
    ProblemError,
    StaleEditError,
    UnreachableError,
    UploadRejectedError,
)
from auteur_client.api.models import AddTrack, Operations, TrackType
from auteur_client.api.projects import projects_edl_partial_update
from auteur_client.api.users import users_me_retrieve
from auteur_client.http import TRIES

from tests.clients.python.faulty import Fault, Faulty
from tests.journeys.recordings import INTERVIEW
from tests.journeys.stack import JourneyStack
from tests.waiting import until

TRACK = {"op": "add_track", "track_id": "t", "type": "video", "name": "Video"}
SUBMIT = r"/jobs/transcription$"


@pytest.fixture
def media_id(auteur: Auteur, project_id: str, short_film: Path) -> str:
    return str(auteur.upload(short_film, project_id).id)


def test_a_file_becomes_captions_and_all_is_told(
    auteur: Auteur, project_id: str, tmp_path: Path
) -> None:
    sent: list[tuple[int, int]] = []
    media = auteur.upload(INTERVIEW, project_id, on_progress=lambda *now: sent.append(now))
    size = INTERVIEW.stat().st_size
    assert (media.status, media.file_size_bytes) == ("ready", size)
    assert sent == sorted(sent)
    assert sent[-1] == (size, size)

    seen: list[tuple[str, float]] = []
    quote = auteur.estimate("transcription", media_id=media.id)
    job = auteur.run(
        "transcription",
        media_id=media.id,
        quote_id=quote.quote_id,
        on_progress=lambda job: seen.append((str(job.status), job.progress)),
    )
    assert (job.status, job.credits_cost) == ("completed", quote.credits)
    assert any(status == "processing" and 0 < progress < 1 for status, progress in seen)
    assert seen[-1] == ("completed", 1.0)
    assert "version of the film" in auteur.captions(project_id, "srt")
    assert auteur.captions(project_id, "vtt").startswith("WEBVTT")
    assert auteur.transcript(project_id).segments

    here = auteur.download(media, tmp_path / "new" / "interview.mp4")
    assert here.read_bytes() == INTERVIEW.read_bytes()
    assert [event.type for event in islice(auteur.events(after=0), 3)] == [
        "job.requested",
        "job.started",
        "job.completed",
    ]


def test_the_log_is_told_from_now_on_where_nothing_is_streamed_too(
    stack: JourneyStack, token: str, auteur: Auteur, media_id: str
) -> None:
    for url in (None, stack.api_url):
        with Auteur(stack.api_url, token, live_url=url or auteur.http.live_url) as client:
            events = client.events()
            timer = threading.Timer(2.0, lambda: auteur.submit("transcription", media_id=media_id))
            timer.start()
            # The job of the previous round may still send events.
            assert any(event.type == "job.requested" for event in events)
            timer.join()


def test_nothing_is_charged_twice_over_a_network_that_breaks(
    far: Auteur, network: Faulty, media_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auteur_client.http.FIRST_PAUSE_SECONDS", 0.1)
    before = far.balance()
    network.faults += [
        Fault("POST", SUBMIT, cut_before=True),
        Fault("POST", SUBMIT, cut_after=True),
        Fault("POST", SUBMIT, status=502),
        Fault("POST", SUBMIT, status=429, headers={"Retry-After": "1"}),
    ]
    submitted = far.submit("transcription", media_id=media_id)
    tries = network.requests("POST", SUBMIT)
    assert len(tries) == len(network.faults)  # one never arrived, the last came through
    assert len({request.headers["Idempotency-Key"] for request in tries}) == 1
    assert before - far.balance() == submitted.credits_cost
    assert far.wait(submitted.job_id).status == "completed"  # by polling: the proxy has no stream
    again = far.submit("transcription", media_id=media_id, idempotency_key="mine")
    assert far.submit("transcription", media_id=media_id, idempotency_key="mine") == again
    far.cancel(again.job_id)


@pytest.mark.parametrize(
    "fault", [{"status": 503, "headers": {"Retry-After": "0"}}, {"cut_after": True}]
)
def test_there_are_so_many_tries_and_then_an_error(
    far: Auteur, network: Faulty, monkeypatch: pytest.MonkeyPatch, fault: dict
) -> None:
    monkeypatch.setattr("auteur_client.http.FIRST_PAUSE_SECONDS", 0.01)
    network.faults = [Fault("GET", "/credits", times=TRIES - 1, **fault)]
    far.balance()
    network.seen.clear()
    network.faults = [Fault("GET", "/credits", times=TRIES, **fault)]
    with pytest.raises((ProblemError, UnreachableError)) as caught:
        far.balance()
    assert len(network.seen) == TRIES
    assert isinstance(caught.value, ProblemError) == ("status" in fault)


def test_an_edit_that_may_have_arrived_is_not_made_twice(
    far: Auteur, network: Faulty, project_id: str
) -> None:
    network.faults = [Fault("PATCH", "/edl", cut_after=True)]
    assert far.edit(project_id, [TRACK]).version == 2
    assert len(network.requests("PATCH", "/edl")) == 2
    assert far.edl(project_id).version == 2
    network.faults = [Fault("PATCH", "/edl", cut_after=True)]
    with pytest.raises(UnreachableError):  # what has no key is not sent again
        far.request("PATCH", f"/projects/{project_id}/edl", json={"operations": [TRACK]})
    assert len(network.requests("PATCH", "/edl")) == 3


def test_an_edit_of_an_old_version_says_both(auteur: Auteur, project_id: str) -> None:
    edited = auteur.edit(project_id, [TRACK], version=1)
    assert edited.version == 2
    with pytest.raises(StaleEditError) as caught:
        auteur.edit(project_id, [TRACK | {"track_id": "u"}], version=1)
    assert (caught.value.version, caught.value.current) == (1, 2)
    assert auteur.undo(project_id).version == 3
    assert auteur.redo(project_id).version == 4


def test_an_upload_that_broke_off_goes_on_with_what_is_missing(
    auteur: Auteur, far: Auteur, network: Faulty, project_id: str, large_file: Path
) -> None:
    class GoneError(Exception):
        pass

    def leave(sent: int, total: int) -> None:
        if sent > total * 0.75:  # four parts at once are less: one at least has arrived
            raise GoneError

    upload = auteur.begin_upload(large_file, project_id)
    with pytest.raises(GoneError):
        auteur.upload(large_file, project_id, resume=upload.media_id, on_progress=leave)
    arrived = {
        part["part_number"]
        for part in auteur.request("GET", f"/projects/{project_id}/media/{upload.media_id}/upload")[
            "parts"
        ]
        if part["received"]
    }
    assert arrived
    network.faults = [Fault("PUT", "", cut_before=True), Fault("PUT", "", status=502)]
    media = far.upload(large_file, project_id, resume=upload.media_id)
    assert media.status == "ready"
    assert media.file_size_bytes == large_file.stat().st_size
    assert len(network.requests("PUT", "")) == len(upload.parts) - len(arrived) + 1
    again = far.upload(
        large_file, project_id, resume=upload.media_id
    )  # the upload is complete: nothing is sent
    assert again.id == media.id


def test_the_api_restarts_while_a_job_is_waited_for(
    stack: JourneyStack, auteur: Auteur, media_id: str
) -> None:
    killed: list[int] = []

    def hurt(job: object) -> None:
        if not killed:
            for name in ("api", "live"):
                process = stack.process(name)
                killed.append(process.pid)
                for child in [*process.children(recursive=True), process]:
                    child.kill()

    job = auteur.run("transcription", media_id=media_id, on_progress=hurt)
    assert job.status == "completed"
    assert len(killed) == 2
    until(lambda: stack.process("live").pid != killed[1], 30)


def test_a_download_is_whole_or_not_there(
    far: Auteur,
    network: Faulty,
    media_id: str,
    short_film: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("auteur_client.http.FIRST_PAUSE_SECONDS", 0.01)
    target = tmp_path / "film.mp4"
    url = far.media(media_id).download_url
    path = url.removeprefix(network.url).partition("?")[0]
    network.faults = [Fault("GET", path, times=2, cut_at=1000)]
    far.download(media_id, target)
    assert target.read_bytes() == short_film.read_bytes()
    target.write_text("old")
    network.faults = [Fault("GET", path, times=TRIES, cut_at=1000)]
    with pytest.raises(UnreachableError):
        far.download(url, target)
    assert [path.name for path in tmp_path.iterdir()] == [target.name]
    assert target.read_text() == "old"


def test_a_job_that_fails_says_why(auteur: Auteur, project_id: str) -> None:
    from auteur.devstack.demo import UNDECODABLE

    media = auteur.upload(UNDECODABLE, project_id)
    with pytest.raises(JobFailedError, match="INPUT_INVALID") as caught:
        auteur.run("transcription", media_id=media.id)
    assert caught.value.code == "INPUT_INVALID"
    assert caught.value.job.credits_refunded
    failed = list(auteur.iterate("jobs", status="failed"))
    assert [job.id for job in failed] == [caught.value.job.id]


def test_what_is_no_film_is_rejected(auteur: Auteur, project_id: str, tmp_path: Path) -> None:
    file = tmp_path / "film.mp4"
    file.write_bytes(b"no film" * 100)
    with pytest.raises(UploadRejectedError) as caught:
        auteur.upload(file, project_id)
    assert caught.value.reason


def test_too_few_credits(
    stack: JourneyStack, new_token: Callable[[int], str], tmp_path: Path
) -> None:
    with Auteur(stack.api_url, new_token(0)) as poor:
        media = poor.upload(INTERVIEW, poor.create_project("Poor").id)
        with pytest.raises(InsufficientCreditsError) as caught:
            poor.run("transcription", media_id=media.id)
    assert (caught.value.balance, caught.value.required) == (0, 1)
    assert caught.value.request_id


def test_lists_are_read_page_by_page(far: Auteur, network: Faulty) -> None:
    project_ids = [far.create_project(f"Project {number}").id for number in range(5)]
    projects = far.iterate("projects", limit=2)
    next(projects)
    assert len(network.requests("GET", "/projects")) == 1
    assert sorted([project.id for project in projects])
    assert {project.id for project in far.iterate("projects", limit=2)} == set(project_ids)


def test_what_a_newer_api_knows_breaks_nothing(far: Auteur, network: Faulty, media_id: str) -> None:
    job_id = far.submit("transcription", media_id=media_id).job_id
    newer = {"status": "dreaming", "stage": "rem", "mood": "calm"}
    network.faults = [Fault("GET", r"/jobs/[^/]+$", times=2, rewrite=lambda job: job | newer)]
    job = far.job(job_id)
    assert (job.status, str(job.stage)) == ("dreaming", "rem")
    assert job.additional_properties == {"mood": "calm"}
    assert job.to_dict()["status"] == "dreaming"
    assert far.wait(job_id).status == "completed"  # one that dreams has not ended

    def dreamt(page: dict) -> dict:
        if "events" not in page:  # the problem that nothing is streamed here
            return page
        event = page["events"][0] | {"type": "job.dreamt", "by": "x"}
        return {"events": [event, *page["events"][1:]]}

    requests = 2  # the first requests a stream, which the proxy does not have
    network.faults = [Fault("GET", r"/events\?", times=requests, rewrite=dreamt)]
    assert [event.type for event in islice(far.events(after=0), 2)] == ["job.dreamt", "job.started"]
    from auteur_client.api.events import events_retrieve

    network.faults = [Fault("GET", r"/events\?", rewrite=dreamt)]
    first, second = events_retrieve.sync(client=far.api, limit=2).events
    assert first["type"] == "job.dreamt"
    assert second.type_ == "job.started"


def test_all_operations_are_there_typed(auteur: Auteur, project_id: str) -> None:
    profile = users_me_retrieve.sync(client=auteur.api)
    assert profile.email.endswith("@example.com")
    track = AddTrack(op="add_track", track_id="t", type_=TrackType.VIDEO, name="Video")
    edited = projects_edl_partial_update.sync(
        auteur.edl(project_id).project_id,
        client=auteur.api,
        body=Operations(operations=[track]),
        if_match='"1"',
    )
    assert edited.version == 2
    with pytest.raises(StaleEditError):
        projects_edl_partial_update.sync(
            auteur.edl(project_id).project_id,
            client=auteur.api,
            body=Operations(operations=[track]),
            if_match='"1"',
        )


def test_no_token_stands_in_errors_or_logs(
    stack: JourneyStack, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auteur_client.http.FIRST_PAUSE_SECONDS", 0.01)
    caplog.set_level(logging.DEBUG)
    secret = "secret-token-of-somebody"
    with Auteur(stack.api_url, secret) as stranger, pytest.raises(NotSignedInError) as refused:
        stranger.balance()
    with Auteur("http://127.0.0.1:9", secret) as lost, pytest.raises(UnreachableError) as away:
        lost.balance()
    texts = [repr(stranger), repr(stranger.api), caplog.text]
    for caught in (refused, away):
        texts += [str(caught.value), repr(caught.value), repr(vars(caught.value))]
        texts += [repr(exc) for exc in (caught.value.__cause__, caught.value.__context__)]
    assert not [text for text in texts if secret in text]
    assert refused.value.status == 401


def test_the_address_and_token_of_the_environment(
    stack: JourneyStack, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AUTEUR_URL", raising=False)
    with pytest.raises(AuteurError, match="AUTEUR_URL"):
        Auteur()
    monkeypatch.setenv("AUTEUR_URL", stack.api_url)
    monkeypatch.setenv("AUTEUR_TOKEN", token)
    with Auteur() as auteur:
        assert auteur.balance() == 10
