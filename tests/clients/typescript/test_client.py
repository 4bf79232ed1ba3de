"""The TypeScript client against the running stack: its own tests, and its examples."""

import json
import shutil
from pathlib import Path

import pytest

from auteur.devstack.processes import BASE_DIR
from tests.clients.typescript.conftest import CLIENT, node
from tests.journeys.recordings import INTERVIEW

LONGEST_SECONDS = 600
QUICKSTART = BASE_DIR / "docs" / "examples" / "film" / "film.ts"


@pytest.mark.timeout(LONGEST_SECONDS)
def test_its_own_tests(client: Path, env: dict[str, str]) -> None:
    assert "# fail 0" in node("npm", "run", "tests", env=env)


@pytest.mark.parametrize(
    ("example", "text"),
    [
        ("transcribe", "completed 100 %"),
        ("edit", "retrying"),
        ("watch", "job.completed"),
    ],
)
def test_examples(client: Path, env: dict[str, str], example: str, text: str) -> None:
    assert text in node("node", f"build/examples/{example}.js", str(INTERVIEW), env=env)


def test_the_program_of_the_quickstart(client: Path, env: dict[str, str], tmp_path: Path) -> None:
    """It compiles under the client's strict options, in its own package, and makes a film."""
    shutil.copy(QUICKSTART, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    packages = tmp_path / "node_modules"
    (packages / "@types").mkdir(parents=True)
    (packages / "auteur-client").symlink_to(client)
    (packages / "@types" / "node").symlink_to(client / "node_modules" / "@types" / "node")
    options = json.loads((client / "tsconfig.json").read_text())["compilerOptions"]
    (tmp_path / "tsconfig.json").write_text(
        json.dumps({"compilerOptions": options, "include": [QUICKSTART.name]})
    )
    node("npm", "exec", "--", "tsc", "-p", str(tmp_path), folder=CLIENT)
    film = tmp_path / "film.mp4"
    program = tmp_path / "build" / "film.js"
    printed = node("node", str(program), str(INTERVIEW), str(film), folder=tmp_path, env=env)
    assert "-->" in printed  # the captions
    assert film.stat().st_size > 0


def test_the_lockfile_names_no_registry() -> None:
    lockfile = BASE_DIR / "clients" / "typescript" / "package-lock.json"
    assert '"resolved"' not in lockfile.read_text()
