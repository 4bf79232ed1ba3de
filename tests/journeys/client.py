"""A user of the running stack: everything through HTTP, as the editor does it."""

import mimetypes
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.journeys.stack import JourneyStack

POLL_SECONDS = 0.2
ENDED = ("completed", "failed", "cancelled")


@dataclass
class Person:
    """One user with a token and, if granted, credits."""

    stack: JourneyStack
    email: str

    def __post_init__(self) -> None:
        self.session = requests.Session()
        token = self.stack.manage("issue_token", "--email", self.email)
        self.session.headers["Authorization"] = f"Bearer {token}"

    def grant(self, amount: int) -> None:
        """Give this user credits, as staff does."""
        self.stack.manage("grant_credits", "--email", self.email, "--amount", str(amount))

    def get(self, path: str) -> Any:
        """The JSON of a GET that must succeed."""
        return self._json("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        """The JSON of a POST that must succeed."""
        return self._json("POST", path, body)

    def _json(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.session.request(method, self.stack.api_url + path, json=body, timeout=30)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def upload(self, project_id: str, path: Path) -> str:
        """Put a file into a project, and confirm it; the media's id."""
        content_type = mimetypes.guess_type(path.name)[0]
        upload = self.post(
            f"/projects/{project_id}/media/upload-url",
            {
                "filename": path.name,
                "content_type": content_type,
                "size_bytes": path.stat().st_size,
            },
        )
        put = requests.put(
            upload["upload_url"], data=path.read_bytes(), headers=upload["headers"], timeout=30
        )
        assert put.ok, put.text
        confirmed = self.post(f"/projects/{project_id}/media/{upload['media_id']}/confirm")
        assert confirmed["media"]["status"] == "ready"
        return str(upload["media_id"])

    def transcribe(self, media_id: str) -> str:
        """Ask for a transcript; the job's id."""
        return str(self.post("/jobs/transcription", {"media_id": media_id})["job_id"])

    def wait_for(self, job_id: str, seconds: float, *, until: tuple[str, ...] = ENDED) -> Any:
        """Poll the job until it has one of the statuses; every step seen is in ``seen``."""
        seen = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            job = self.get(f"/jobs/{job_id}")
            if not seen or seen[-1] != (job["status"], job["progress"]):
                seen.append((job["status"], job["progress"]))
            if job["status"] in until:
                return job | {"seen": seen}
            time.sleep(POLL_SECONDS)
        raise AssertionError(f"job {job_id} is not {until} after {seconds} s: {seen}")

    def wait_for_progress(self, job_id: str, seconds: float) -> None:
        """Return when the call has begun to report."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            job = self.get(f"/jobs/{job_id}")
            assert job["status"] not in ENDED, job
            if job["progress"] > 0:
                return
            time.sleep(POLL_SECONDS)
        raise AssertionError("no progress")

    def history(self) -> list[tuple[str, int, int]]:
        """The ledger, oldest first: type, amount, balance after."""
        rows = self.get("/credits/history")["transactions"]
        return [(row["type"], row["amount"], row["balance_after"]) for row in reversed(rows)]
