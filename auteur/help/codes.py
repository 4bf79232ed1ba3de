"""The problems of operations, by `docs/openapi.json`."""

import json
from functools import cache
from typing import Any

from auteur.core.api.problem_responses import list_response_codes
from auteur.help.links import ROOT
from auteur.help.markdown import format_table


@cache
def read_contract() -> dict[str, Any]:
    """Return the API's OpenAPI document."""
    document: dict[str, Any] = json.loads((ROOT / "docs" / "openapi.json").read_text())
    return document


def format_problem_table(operation: dict[str, Any], errors: str) -> str:
    """Return a table of statuses and codes, each a link to the page ``errors``."""
    rows = []
    for status, response in sorted(operation["responses"].items()):
        if status.isdecimal() and (codes := list_response_codes(_resolve_reference(response))):
            rows.append((status, ", ".join(f"[`{code}`]({errors}#{code})" for code in codes)))
    return format_table(("status", "codes"), rows)


def _resolve_reference(response: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in response:
        return response
    component: dict[str, Any] = read_contract()["components"]["responses"][
        response["$ref"].rpartition("/")[2]
    ]
    return component
