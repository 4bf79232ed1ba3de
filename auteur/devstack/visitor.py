"""The demo's user: gets a token and credits, uploads files, runs jobs and waits for them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from auteur_client import Auteur, FeatureName, InsufficientCreditsError
from auteur_client.api.models import Media, Submitted

from auteur.devstack import environment, management
from auteur.devstack.ports import HOST
from auteur.devstack.screen import Json, Screen, format_time

EMAIL = "demo@example.com"


class Visitor:
    """The demo's user, who can also run management commands."""

    def __init__(self, values: Mapping[str, str], screen: Screen) -> None:
        self._environment = environment.build_child_environment(values, os.environ)
        self._screen = screen
        self._plan = ""
        token = self.manage("issue_token", "--email", EMAIL)
        live_url = f"http://{HOST}:{values['LIVE_PORT']}"
        self.client = Auteur(values["PUBLIC_URL"], token, live_url=live_url)

    def manage(self, *arguments: str) -> str:
        """Return the output of a management command. Raise ``StackError`` if it fails."""
        return management.manage(self._environment, *arguments)

    def grant(self, amount: int) -> None:
        self._screen.line(self.manage("grant_credits", "--email", EMAIL, "--amount", str(amount)))

    def set_plan(self, plan: str) -> None:
        """Give the user a plan, once."""
        if plan != self._plan:
            self._screen.line(self.manage("set_plan", "--email", EMAIL, "--plan", plan))
            self._plan = plan

    def top_up(self, minimum: int) -> None:
        """Grant the credits that are missing to this balance."""
        balance = self.balance()
        if balance < minimum:
            self.grant(minimum - balance)
        else:
            self._screen.line(f"{EMAIL} has {balance} credits")

    def balance(self) -> int:
        return self.client.balance()

    def upload(self, project_id: str, file: Path) -> Media:
        """Upload a file into a project."""
        media = self.client.upload(file, project_id)
        length = f", {format_time(media.duration_ms)} long" if media.duration_ms else ""
        self._screen.line(f"uploaded {file.name}: {media.file_size_bytes:,} bytes{length}")
        return media

    def run_job(self, slug: str, body: Json) -> tuple[Json, int]:
        """Run a job. Return the ended job, and the balance before it. Grant missing credits."""
        submitted, balance = self._submit(cast("FeatureName", slug), body)
        self._screen.line(f"job {submitted.job_id}, credits: {submitted.credits_cost}")
        with self._screen.progress(slug) as show:
            job = self.client.wait(submitted.job_id, on_progress=lambda job: show(job.to_dict()))
        return job.to_dict(), balance

    def _submit(self, slug: FeatureName, body: Json) -> tuple[Submitted, int]:
        balance = self.balance()
        try:
            return self.client.submit(slug, **body), balance
        except InsufficientCreditsError as exc:
            missing = exc.required - exc.balance
        self.grant(missing)
        return self.client.submit(slug, **body), balance + missing

    def transactions(self, job_id: str) -> list[Json]:
        """Return the transactions of a job, oldest first."""
        rows = self.client.request("GET", "/credits/history")["transactions"]
        return [row for row in reversed(rows) if row["job_id"] == job_id]


def describe_error(job: Json) -> str:
    """Return the error of a job, or an empty text."""
    error = job["error"]
    return f"{error['code']}: {error['message']}" if error else ""


def describe_outcome(job: Json) -> str:
    """Return how a job has ended, and why."""
    return ": ".join(filter(None, (f"the job is {job['status']}", describe_error(job))))
