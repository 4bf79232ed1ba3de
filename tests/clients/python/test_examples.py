"""The client's examples, as they are."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from auteur_client import Auteur

from auteur.devstack.processes import BASE_DIR

EXAMPLES = BASE_DIR / "clients" / "python" / "examples"
SECONDS = 120

Run = Callable[..., str]


@pytest.fixture
def started(auteur: Auteur, token: str) -> Callable[..., subprocess.Popen[str]]:
    """Return a function that starts an example with its environment variables."""
    env = {
        "AUTEUR_URL": auteur.url,
        "AUTEUR_LIVE_URL": auteur.http.live_url,
        "AUTEUR_TOKEN": token,
        "PATH": "/usr/bin:/bin",
    }

    def start(name: str, *arguments: str | Path) -> subprocess.Popen[str]:
        command = [sys.executable, EXAMPLES / name, *arguments]
        return subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    return start


@pytest.fixture
def run(started: Callable[..., subprocess.Popen[str]]) -> Run:
    """Return the output of the program when it has ended."""

    def finished(*command: str | Path) -> str:
        with started(*command) as process:
            out, text = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, text
        return out

    return finished


def test_captions_a_film_and_cuts(run: Run, auteur: Auteur, talk: Path, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    run("caption.py", talk, film)
    assert film.read_bytes()[4:8] == b"ftyp"
    (project,) = auteur.iterate("projects")
    text = run("tighten.py", str(project.id))
    assert text.startswith(f"version {auteur.edl(project.id).version}, ")

    copied = tmp_path / talk.name
    copied.write_bytes(talk.read_bytes())
    assert "credits, project " in run("transcribe.py", copied)
    assert "-->" in copied.with_suffix(".srt").read_text()


def test_what_happens_is_followed(
    started: Callable[..., subprocess.Popen[str]], auteur: Auteur, project_id: str, talk: Path
) -> None:
    media = auteur.upload(talk, project_id)
    job = auteur.submit("transcription", media_id=media.id)
    auteur.cancel(job.job_id)
    with started("follow.py") as process:
        assert process.stdout is not None
        assert process.stdout.readline().split()[1:] == ["job.requested", str(job.job_id)]
        process.kill()
