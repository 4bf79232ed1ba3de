"""A user of the running stack: everything through HTTP, as the editor does it."""

import time
from pathlib import Path
from typing import Any

from auteur_client import Auteur
from auteur_client.jobs import TERMINAL_STATUSES

from tests.journeys.stack import JourneyStack

POLL_SECONDS = 0.2


class Person(Auteur):
    """One user with a token; waits by the clock, so that nothing waits for ever."""

    def __init__(self, stack: JourneyStack, token: str) -> None:
        super().__init__(stack.api_url, token)

    def get(self, path: str) -> Any:
        return self.request("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        return self.request("POST", path, json=body or {})

    def patch(self, path: str, body: Any) -> Any:
        return self.request("PATCH", path, json=body)

    def delete(self, path: str) -> Any:
        return self.request("DELETE", path)

    def media_of(self, project_id: str, file: Path) -> str:
        """Upload a file into a project; its id."""
        media = self.upload(file, project_id)
        assert media.status == "ready"
        return str(media.id)

    def transcribe(self, media_id: str) -> str:
        """Ask for a transcript; the job's id."""
        return str(self.post("/jobs/transcription", {"media_id": media_id})["job_id"])

    def wait_for(self, job_id: str, seconds: float) -> Any:
        """Poll the job until it has ended; every status and progress seen is in ``seen``."""
        seen: list[tuple[str, float]] = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            job = self.get(f"/jobs/{job_id}")
            if not seen or seen[-1] != (job["status"], job["progress"]):
                seen.append((job["status"], job["progress"]))
            if job["status"] in TERMINAL_STATUSES:
                return job | {"seen": seen}
            time.sleep(POLL_SECONDS)
        raise AssertionError(f"job {job_id} has not ended after {seconds} s: {seen}")

    def wait_for_progress(self, job_id: str, seconds: float) -> None:
        """Return when the call has begun to report."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            job = self.get(f"/jobs/{job_id}")
            assert job["status"] not in TERMINAL_STATUSES, job
            if job["progress"] > 0:
                return
            time.sleep(POLL_SECONDS)
        raise AssertionError("no progress")

    def history(self) -> list[tuple[str, int, int]]:
        """The ledger, oldest first: type, amount, balance after."""
        rows = self.get("/credits/history")["transactions"]
        return [(row["type"], row["amount"], row["balance_after"]) for row in reversed(rows)]
