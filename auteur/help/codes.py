"""The problems of operations, by `docs/openapi.json`."""

import json
from functools import cache
from typing import Any

from auteur.core.api.problem_responses import codes_of
from auteur.help.links import ROOT
from auteur.help.markdown import table


@cache
def contract() -> dict[str, Any]:
    """Return the API's OpenAPI document."""
    document: dict[str, Any] = json.loads((ROOT / "docs" / "openapi.json").read_text())
    return document


def problems(operation: dict[str, Any], errors: str) -> str:
    """Return a table of statuses and codes, each a link to the page ``errors``."""
    rows = []
    for status, response in sorted(operation["responses"].items()):
        if status.isdecimal() and (codes := codes_of(_resolve_reference(response))):
            rows.append((status, ", ".join(f"[`{code}`]({errors}#{code})" for code in codes)))
    return table(("status", "codes"), rows)


def _resolve_reference(response: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in response:
        return response
    component: dict[str, Any] = contract()["components"]["responses"][
        response["$ref"].rpartition("/")[2]
    ]
    return component
