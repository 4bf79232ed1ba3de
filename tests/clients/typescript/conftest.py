"""A stack, the client built once, and a user with credits and one without."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from auteur.devstack import ports
from auteur.devstack.processes import BASE_DIR
from tests.journeys.recordings import SAMPLES
from tests.journeys.stack import JourneyStack

CLIENT = BASE_DIR / "clients" / "typescript"
NODE = BASE_DIR / "clients" / "node.sh"
MISSING = 127
NPM_SECONDS = 240
CREDITS = "900"


def node(*command: str, folder: Path = CLIENT, env: Mapping[str, str] | None = None) -> str:
    """Run a command of Node.js, which must succeed, and return its output."""
    done = subprocess.run(
        [NODE, *command],
        cwd=folder,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=NPM_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="package")
def client() -> Path:
    """Build the client, its tests and its examples once, and return its folder."""
    result = subprocess.run([NODE, "npm", "--version"], capture_output=True, check=False)
    if result.returncode == MISSING:
        pytest.skip("npm is not here: install Node.js 20 or later")
    node("npm", "ci", "--no-fund", "--no-audit")
    node("npm", "run", "build")
    node("npm", "run", "compile")
    return CLIENT


@pytest.fixture(scope="package")
def stack(client: Path, shared_stack: JourneyStack) -> JourneyStack:
    return shared_stack


@pytest.fixture(scope="package")
def env(stack: JourneyStack) -> dict[str, str]:
    """Return the environment of the client's tests and examples."""
    rich, poor = "rich@example.com", "poor@example.com"
    token = stack.manage("issue_token", "--email", rich)
    stack.manage("grant_credits", "--email", rich, "--amount", CREDITS)
    return {
        "AUTEUR_URL": stack.api_url,
        "AUTEUR_LIVE_URL": f"http://{ports.HOST}:{stack.env['LIVE_PORT']}",
        "AUTEUR_TOKEN": token,
        "AUTEUR_POOR_TOKEN": stack.manage("issue_token", "--email", poor),
        "AUTEUR_SAMPLES": str(SAMPLES),
    }
