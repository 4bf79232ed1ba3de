"""Check that no name in product code is a pronoun or participle, which does not say what it holds.

CONTRIBUTING has the rules for names. Ruff has no rule for this one.
"""

import ast
import subprocess
from collections.abc import Iterator

from auteur.devstack.processes import BASE_DIR

PACKAGES = ("accounts", "auteur", "clients", "credits", "gpu_tasks", "jobs", "media", "projects")
NOT_CHECKED = (
    "/migrations/",
    "clients/python/src/auteur_client/api/",  # generated
    "auteur/devstack/mongod/",  # about to be replaced
    "projects/timeline/",  # about to be rewritten
)
EMPTY_NAMES = frozenset(
    [
        "asked",
        "each",
        "found",
        "given",
        "held",
        "kept",
        "known",
        "left",
        "made",
        "most",
        "one",
        "others",
        "place",
        "said",
        "shown",
        "some",
        "taken",
        "things",
        "told",
        "wanted",
    ]
)
ALLOWED = {
    "accounts/billing/": {"taken"},  # a database column
    "gpu_tasks/": {"left"},  # the edge of a rectangle
    "gpu_tasks/render/contract/": {"made"},  # a payload field
    "jobs/audit/": {"found"},  # a field of a command's JSON
    "jobs/models.py": {"found"},  # a database column
    "media/verification.py": {"found"},  # a field of a command's JSON
    "projects/verification.py": {"found"},  # a field of a command's JSON
}
"""The names that the paths with a prefix may define, because a contract has them or they are
terms of geometry."""


def list_empty_names(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the name of each definition that is one of ``EMPTY_NAMES``."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case (
                ast.Name(id=name, ctx=ast.Store())
                | ast.Attribute(attr=name, ctx=ast.Store())
                | ast.arg(arg=name)
                | ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
                | ast.alias(asname=str(name))
                | ast.MatchAs(name=str(name))
            ):
                if name.strip("_").lower() in EMPTY_NAMES:
                    yield node.lineno, name


def check_names() -> int:
    """Print each empty name of product code. Return 0 only if there is none."""
    patterns = [f"{package}/**.py" for package in PACKAGES]
    paths = subprocess.run(
        ["git", "ls-files", *patterns], cwd=BASE_DIR, check=True, capture_output=True, text=True
    ).stdout.split()
    count = 0
    for path in paths:
        if any(part in path for part in NOT_CHECKED):
            continue
        allowed = set[str]().union(
            *(names for prefix, names in ALLOWED.items() if path.startswith(prefix))
        )
        for line, name in list_empty_names((BASE_DIR / path).read_text()):
            if name.strip("_").lower() not in allowed:
                print(f"{path}:{line}: `{name}` does not say what it holds")
                count += 1
    return min(count, 1)
