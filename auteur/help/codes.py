"""What operations answer besides success, by `docs/openapi.json`."""

import json
from functools import cache
from typing import Any

from auteur.api.problem_responses import codes_of
from auteur.help.links import ROOT
from auteur.help.markdown import table


@cache
def contract() -> dict[str, Any]:
    """The API's document."""
    found: dict[str, Any] = json.loads((ROOT / "docs" / "openapi.json").read_text())
    return found


def problems(operation: dict[str, Any], errors: str) -> str:
    """A table of statuses and codes, each a link to the page ``errors``."""
    rows = []
    for status, answer in sorted(operation["responses"].items()):
        if status.isdecimal() and (codes := codes_of(_whole(answer))):
            rows.append((status, ", ".join(f"[`{code}`]({errors}#{code})" for code in codes)))
    return table(("status", "codes"), rows)


def _whole(answer: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in answer:
        return answer
    whole: dict[str, Any] = contract()["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    return whole
