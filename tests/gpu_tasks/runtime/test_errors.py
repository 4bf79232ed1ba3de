"""Every exception of the product is named for what it is, and has one root."""

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOMS = ("accounts", "auteur", "credits", "gpu_tasks", "jobs", "media", "projects")
ALONE = Path("auteur/devstack/mongod")  # the stand-in for MongoDB imports nothing of ours
EXCEPTION = re.compile(r"(Error|Exception|Exit|Interrupt|Iteration|Warning)$")
ROOT = "AuteurError"


def test_every_exception_ends_in_error_or_problem_and_derives_from_the_root():
    bases = _bases()
    exceptions = {
        name for name in bases if any(map(EXCEPTION.search, _lineage(name, bases) - {name}))
    }
    assert {ROOT, "Problem", "EngineError", "StackError"} <= exceptions
    assert [name for name in exceptions if not name.endswith(("Error", "Problem"))] == []
    assert [name for name in exceptions if ROOT not in _lineage(name, bases)] == []


def _bases() -> dict[str, set[str]]:
    """Bases by the name of their class; classes of one name are taken together."""
    bases: dict[str, set[str]] = defaultdict(set)
    for path in (path for room in ROOMS for path in Path(room).rglob("*.py")):
        if path.is_relative_to(ALONE):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                bases[node.name] |= {ast.unparse(base).split(".")[-1] for base in node.bases}
    return bases


def _lineage(name: str, bases: dict[str, set[str]]) -> set[str]:
    return {name}.union(*(_lineage(base, bases) for base in bases.get(name, ()) if base != name))
