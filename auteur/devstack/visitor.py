"""The user whom the demo plays: a token, credits when they are needed, jobs to their end."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from auteur.devstack import environment
from auteur.devstack.client import Client, Json, RefusedError
from auteur.devstack.errors import StackError
from auteur.devstack.processes import BASE_DIR
from auteur.devstack.screen import Screen, clock

EMAIL = "demo@example.com"
COMMAND_SECONDS = 60.0


class Visitor:
    """One user, with the management commands at hand."""

    def __init__(self, values: Mapping[str, str], screen: Screen) -> None:
        self._environment = environment.of_children(values, os.environ)
        self._screen = screen
        self.client = Client(values["PUBLIC_URL"], self.manage("issue_token", "--email", EMAIL))

    def manage(self, *arguments: str) -> str:
        """What a management command prints; raises ``StackError`` with the last line it said."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=BASE_DIR,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or ["no output"]
            raise StackError(f"manage.py {arguments[0]}: {last[0]}")
        return done.stdout.strip()

    def grant(self, amount: int) -> None:
        """Give the user credits."""
        self._screen.line(self.manage("grant_credits", "--email", EMAIL, "--amount", str(amount)))

    def balance(self) -> int:
        """The user's credits."""
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
