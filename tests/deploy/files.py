"""The deployment files, read as their tools would."""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import yaml

from auteur.devstack.processes import BASE_DIR, PROGRAMS

OUR_IMAGE = "${AUTEUR_IMAGE:-auteur:local}"
OURS = tuple(program.name for program in PROGRAMS)
REFERENCE = re.compile(r"\$\$|\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\}")

ENV_CALL = re.compile(r"env\.\w+")


def text(path: str) -> str:
    return (BASE_DIR / path).read_text()


@cache
def compose(path: str = "docker-compose.yml") -> dict[str, Any]:
    return yaml.safe_load(text(path))


def services() -> dict[str, dict[str, Any]]:
    return compose()["services"]


def interpolated(value: str, variables: Mapping[str, str]) -> str:
    """What Compose makes of `${NAME}`, `${NAME:-default}`, `${NAME:?message}` and `$$`."""

    def one(match: re.Match[str]) -> str:
        if match["name"] is None:
            return "$"
        if values := variables.get(match["name"]):
            return values
        assert match["kind"] == "-", f"{match[0]} has no value"
        return match["rest"]

    return REFERENCE.sub(one, value)


def settings_variables() -> Iterator[tuple[str, bool]]:
    """What `settings.py` reads: each variable, and whether it has a default."""
    for node in ast.walk(ast.parse(text("auteur/settings.py"))):
        if isinstance(node, ast.Call) and ENV_CALL.fullmatch(ast.unparse(node.func)):
            name = node.args[0] if node.args else None
            if isinstance(name, ast.Constant):
                has_default = any(keyword.arg == "default" for keyword in node.keywords)
                yield str(name.value), has_default
