"""The TypeScript client against the running stack: its own tests, and its examples."""

from pathlib import Path

import pytest

from auteur.devstack.processes import BASE_DIR
from tests.clients.typescript.conftest import node
from tests.journeys.recordings import INTERVIEW

LONGEST_SECONDS = 600


@pytest.mark.timeout(LONGEST_SECONDS)
def test_types_and_tests(client: Path, env: dict[str, str]) -> None:
    assert "# fail 0" in node("npm", "test", env=env)


@pytest.mark.parametrize(
    ("example", "said"),
    [
        ("transcribe", "completed 100 %"),
        ("edit", "once more"),
        ("watch", "job.completed"),
    ],
)
def test_examples(client: Path, env: dict[str, str], example: str, said: str) -> None:
    node("npx", "tsc", "--outDir", "build")
    assert said in node("node", f"build/examples/{example}.js", str(INTERVIEW), env=env)


def test_the_lockfile_names_no_registry() -> None:
    lockfile = BASE_DIR / "clients" / "typescript" / "package-lock.json"
    assert '"resolved"' not in lockfile.read_text()
