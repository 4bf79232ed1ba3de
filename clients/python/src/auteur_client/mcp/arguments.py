"""Explain in words which arguments of a tool are refused, and what is accepted."""

import json
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from auteur_client.mcp.access import FEATURE, UUID, UUID_OR_EMPTY, Json

MAX_LINES = 5
MAX_VALUE_CHARACTERS = 60
PATTERNS = {
    UUID: "an id: 36 hexadecimal digits and hyphens",
    UUID_OR_EMPTY: "an id: 36 hexadecimal digits and hyphens",
    FEATURE: "the `type` of a feature in `list_features`",
}
TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "object": "an object",
    "string": "text",
}
BOUNDS = {
    "array": ("minItems", "maxItems", "of", " entries"),
    "integer": ("minimum", "maximum", "from", ""),
    "string": ("minLength", "maxLength", "of", " characters"),
}


def explain(error: ValidationError, schema: Json) -> str:
    """Return a line for each refused argument of a tool with this input schema."""
    problems = error.errors()
    lines = [_explain_problem(problem, schema) for problem in problems[:MAX_LINES]]
    if len(problems) > MAX_LINES:
        lines.append(f"{len(problems) - MAX_LINES} more values are wrong.")
    return "\n".join(lines)


def _explain_problem(problem: ErrorDetails, schema: Json) -> str:
    name, *path = problem["loc"]
    schema = schema["properties"][name]
    for _ in path:  # to the schema of an entry of a list, or of a member of an object
        schema = schema["items"] if schema["type"] == "array" else schema["additionalProperties"]
    value = "missing" if problem["type"] == "missing" else _format_value(problem["input"])
    label = ".".join(str(part) for part in problem["loc"])
    return f"`{label}` is {value}. Give {_describe_accepted(schema)}."


def _format_value(value: Any) -> str:
    if isinstance(value, list):
        return f"a list of {len(value)} entries"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_VALUE_CHARACTERS else f"{text[:MAX_VALUE_CHARACTERS]}…"


def _describe_accepted(schema: Json) -> str:
    words = PATTERNS.get(schema.get("pattern", "")) or TYPES[schema["type"]] + _describe_bounds(
        schema
    )
    return f"{words}, or leave it out" if "default" in schema else words


def _describe_bounds(schema: Json) -> str:
    lowest, highest, word, unit = BOUNDS.get(schema["type"], ("", "", "", ""))
    if highest in schema:
        return f" {word} {schema[lowest]} to {schema[highest]}{unit}"
    return f" of at least {schema[lowest]}{unit}" if lowest in schema else ""
