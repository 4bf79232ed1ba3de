"""The demo's user: gets a token and credits, uploads files, runs jobs and waits for them."""

import os
from collections.abc import Mapping
from pathlib import Path

from auteur.devstack import environment, management
from auteur.devstack.client import Client, Json, RefusedError
from auteur.devstack.ports import HOST
from auteur.devstack.screen import Screen, clock

EMAIL = "demo@example.com"


class Visitor:
    """One user, with the management commands at hand."""

    def __init__(self, values: Mapping[str, str], screen: Screen) -> None:
        self._environment = environment.of_children(values, os.environ)
        self._screen = screen
        token = self.manage("issue_token", "--email", EMAIL)
        live_url = f"http://{HOST}:{values['LIVE_PORT']}"
        self.client = Client(values["PUBLIC_URL"], token, live_url)

    def manage(self, *arguments: str) -> str:
        """What a management command prints; raises ``StackError``."""
        return management.manage(self._environment, *arguments)

    def grant(self, amount: int) -> None:
        self._screen.line(self.manage("grant_credits", "--email", EMAIL, "--amount", str(amount)))

    def top_up(self, least: int) -> None:
        """Give the user what is missing to so many credits."""
        balance = self.balance()
        if balance < least:
            self.grant(least - balance)
        else:
            self._screen.line(f"{EMAIL} has {balance} credits")

    def balance(self) -> int:
        return int(self.client.get("/credits")["balance"])

    def upload(self, project_id: str, file: Path) -> Json:
        """Bring a file into a project; the media file."""
        media = self.client.upload(project_id, file)
        length = f", {clock(media['duration_ms'])} long" if media["duration_ms"] else ""
        self._screen.line(f"uploaded {file.name}: {media['file_size_bytes']:,} bytes{length}")
        return media

    def run_job(self, slug: str, body: Json) -> tuple[Json, int]:
        """The job, ended, and the balance before it; missing credits are granted."""
        submitted, balance = self._submit(slug, body)
        self._screen.line(f"job {submitted['job_id']}, credits: {submitted['credits_cost']}")
        with self._screen.progress(slug) as show:
            return self.client.wait(submitted["job_id"], show), balance

    def _submit(self, slug: str, body: Json) -> tuple[Json, int]:
        balance = self.balance()
        try:
            return self.client.post(f"/jobs/{slug}", body), balance
        except RefusedError as exc:
            if exc.code != "insufficient_credits":
                raise
            missing = exc.problem["required"] - exc.problem["balance"]
        self.grant(missing)
        return self.client.post(f"/jobs/{slug}", body), balance + missing


def why(job: Json) -> str:
    """The error of a job that has one."""
    error = job["error"]
    return f"{error['code']}: {error['message']}" if error else ""


def outcome(job: Json) -> str:
    """How a job has ended, and why."""
    return ": ".join(filter(None, (f"the job is {job['status']}", why(job))))
