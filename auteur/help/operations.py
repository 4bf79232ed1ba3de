"""The list of all operations of the API, by `docs/openapi.json`."""

from collections import defaultdict
from typing import Any

from auteur.help.codes import read_contract
from auteur.help.markdown import format_table

METHODS = ("get", "post", "put", "patch", "delete")
INTRO = """# Operations

[/docs](/docs) shows the parameters, bodies and answers of each operation, and lets you try them.
[/schema](/schema) is the OpenAPI document of your installation, [openapi.json](openapi.json) that
of this version with default settings. *Points* count towards the
[rate limit](rate-limits.md#points). An [API key](api-keys.md) needs the *scope*; it cannot use
operations without one.

"""


def build_page() -> str:
    """Return the page, with a table for each tag."""
    by_tag: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for path, item in read_contract()["paths"].items():
        for method in METHODS:
            if operation := item.get(method):
                by_tag[operation["tags"][0]].append(_build_row(method, path, operation))
    parts = [
        f"## {tag}\n\n" + format_table(("operation", "what it does", "scope", "points"), rows)
        for tag, rows in sorted(by_tag.items())
    ]
    return INTRO + "".join(parts)


def _build_row(method: str, path: str, operation: dict[str, Any]) -> tuple[str, ...]:
    scope, points = operation.get("x-api-key-scope"), operation.get("x-rate-limit-points")
    summary = operation["summary"] + (" (deprecated)" if operation.get("deprecated") else "")
    return (
        f"`{method.upper()} {path}`",
        summary,
        f"`{scope}`" if scope else "—",
        "" if points is None else f"{points:g}",
    )
