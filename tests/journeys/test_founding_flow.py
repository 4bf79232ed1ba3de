"""A client written from the list of endpoints alone: upload, confirm, submit; it polls no media.

It uses no client of ours, and knows no more than the specification's table.
"""

import time
from typing import Any

import pytest
import requests

from tests.journeys.recordings import INTERVIEW
from tests.journeys.stack import JourneyStack

pytestmark = pytest.mark.xdist_group("stack")

DONE_WITHIN = 120.0
BROKEN = b"This is no film, however it is called." * 100


class Client:
    """What a newcomer writes first."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str) -> Any:
        response = self._session.get(self._url + path, timeout=30)
        response.raise_for_status()
        return response.json()

    def post(self, path: str, body: Any = None) -> requests.Response:
        return self._session.post(self._url + path, json=body, timeout=30)

    def create_project(self) -> str:
        return str(self.post("/projects", {"name": "First film"}).json()["id"])

    def upload(self, project_id: str, content: bytes) -> str:
        body = {"filename": "talk.mp4", "content_type": "video/mp4"}
        upload = self.post(f"/projects/{project_id}/media/upload-url", body).json()
        sent = requests.put(
            upload["upload_url"], data=content, headers=upload["headers"], timeout=30
        )
        sent.raise_for_status()
        return str(upload["media_id"])

    def confirm(self, project_id: str, media_id: str) -> requests.Response:
        return self.post(f"/projects/{project_id}/media/{media_id}/confirm")

    def finish(self, job_id: str) -> Any:
        """Poll a job until it has ended."""
        deadline = time.monotonic() + DONE_WITHIN
        while (job := self.get(f"/jobs/{job_id}"))["status"] in {"pending", "queued", "processing"}:
            assert time.monotonic() < deadline, job
            time.sleep(0.5)
        return job


@pytest.fixture
def client(stack: JourneyStack, people: Any) -> Client:
    """A new user with ten credits."""
    return Client(stack.api_url, people(stack).new(10))


def test_upload_confirm_submit_makes_a_transcript(client: Client) -> None:
    project_id = client.create_project()
    media_id = client.upload(project_id, INTERVIEW.read_bytes())
    assert client.confirm(project_id, media_id).status_code in {200, 202}
    submitted = client.post("/jobs/transcription", {"media_id": media_id})
    assert submitted.status_code == 202, submitted.text
    job = client.finish(submitted.json()["job_id"])
    assert (job["status"], job["credits_cost"]) == ("completed", 1)
    assert client.get(f"/projects/{project_id}/transcript")["segments"]
    assert client.get("/credits")["balance"] == 9


def test_a_check_that_takes_long_delays_the_job_and_not_the_client(
    stack: JourneyStack, client: Client
) -> None:
    project_id = client.create_project()
    media_id = client.upload(project_id, INTERVIEW.read_bytes())
    worker = [stack.process("worker-media"), *stack.children("worker-media")]
    for process in worker:
        process.suspend()
    try:
        confirmed = client.confirm(project_id, media_id)
        assert (confirmed.status_code, confirmed.json()["media"]["status"]) == (202, "checking")
        submitted = client.post("/jobs/transcription", {"media_id": media_id})
        assert (submitted.status_code, submitted.json()["waits_for"]) == (202, "media")
        job_id = submitted.json()["job_id"]
        waiting = client.get(f"/jobs/{job_id}")
        assert (waiting["status"], waiting["waits_for"]) == ("pending", "media")
        assert client.get("/credits")["balance"] == 10
    finally:
        for process in reversed(worker):
            process.resume()
    job = client.finish(job_id)
    assert (job["status"], job["waits_for"], job["credits_cost"]) == ("completed", None, 1)
    assert client.get("/credits")["balance"] == 9


def test_a_broken_file_is_refused_by_confirm_or_fails_the_job_for_nothing(client: Client) -> None:
    project_id = client.create_project()
    media_id = client.upload(project_id, BROKEN)
    confirmed = client.confirm(project_id, media_id)
    if confirmed.status_code == 202:  # on a machine that is too busy to look within 3 s
        submitted = client.post("/jobs/transcription", {"media_id": media_id})
        assert client.finish(submitted.json()["job_id"])["error"]["code"] == "INPUT_INVALID"
    else:
        assert (confirmed.status_code, confirmed.json()["code"]) == (409, "upload_rejected")
        assert confirmed.json()["reason"]
    assert client.get("/credits")["balance"] == 10
