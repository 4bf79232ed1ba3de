"""The list of all operations of the API, by `docs/openapi.json`."""

from collections import defaultdict
from typing import Any

from auteur.help.codes import contract
from auteur.help.markdown import table

METHODS = ("get", "post", "put", "patch", "delete")
INTRO = """# Operations

Parameters, bodies and answers of each, to be tried: [/docs](/docs). As a file: [/schema](/schema),
and [openapi.json](openapi.json), as this version has it with default settings. *Points* are what a
request costs of the [rate limit](api-keys.md#points), *scope* what an [API key](api-keys.md) needs
for it; without one no key may.

"""


def page() -> str:
    """A table for each tag."""
    by_tag: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for path, item in contract()["paths"].items():
        for method in METHODS:
            if operation := item.get(method):
                by_tag[operation["tags"][0]].append(_row(method, path, operation))
    parts = [
        f"## {tag}\n\n" + table(("operation", "what it does", "scope", "points"), rows)
        for tag, rows in sorted(by_tag.items())
    ]
    return INTRO + "".join(parts)


def _row(method: str, path: str, operation: dict[str, Any]) -> tuple[str, ...]:
    scope, points = operation.get("x-api-key-scope"), operation.get("x-rate-limit-points")
    summary = operation["summary"] + (" (deprecated)" if operation.get("deprecated") else "")
    return (
        f"`{method.upper()} {path}`",
        summary,
        f"`{scope}`" if scope else "—",
        "" if points is None else f"{points:g}",
    )
