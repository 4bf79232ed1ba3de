"""The map names every room, and no room that is gone."""

import re
from pathlib import Path

import pytest

from auteur.devstack.processes import BASE_DIR, PROGRAMS
from gpu_tasks.runtime.engine import contracts
from tests.deploy.files import text

ROOMS = ("auteur", "accounts", "jobs", "projects", "media", "credits", "gpu_tasks")
NOT_ROOMS = {"migrations", "management", "commands", "static", "templates", "samples", "models"}


def packages() -> set[str]:
    """Every package of ours, by its path, but for one per feature and those of tools."""
    result = {
        str(file.parent.relative_to(BASE_DIR))
        for room in ROOMS
        for file in (BASE_DIR / room).rglob("__init__.py")
    }
    return {name for name in result if not NOT_ROOMS & set(Path(name).parts)}


def test_every_package_is_on_the_map() -> None:
    page = text("docs/architecture.md")
    missing = {
        name
        for name in packages()
        if Path(name).name not in contracts() and f"{Path(name).name}/" not in page
    }
    assert not missing


def test_every_file_on_the_map_is_there() -> None:
    tree = text("docs/architecture.md").partition("```\n")[2].partition("```")[0]
    files = {file.name for room in (*ROOMS, "tests") for file in (BASE_DIR / room).rglob("*.py")}
    assert set(re.findall(r"\b(\w+\.py)\b", tree)) <= files


def test_every_process_is_explained() -> None:
    page = text("docs/architecture.md")
    for program in PROGRAMS:
        name = program.name.replace("worker-", "worker ")
        assert program.once or f"| `{name}` |" in page


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "README.md", "docs/glossary.md"])
def test_every_path_that_a_page_names_is_there(page: str) -> None:
    named = re.findall(rf"[`(]((?:{'|'.join([*ROOMS, 'tests', 'docs'])})/[\w/.-]+)[`)]", text(page))
    assert named
    assert not [name for name in named if not list(BASE_DIR.glob(f"{name}*"))]
