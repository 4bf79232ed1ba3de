"""The same submission by curl, in Python and in TypeScript."""

import json
import shlex
from typing import Any

from auteur.help.markdown import format_code

WIDTH = 88
BODY = """curl "$AUTEUR_URL/jobs/{slug}" \\
  -H "Authorization: Bearer $AUTEUR_TOKEN" \\
  -H "Content-Type: application/json" \\
  -d {body}
"""
PYTHON = """from auteur_client import Auteur

with Auteur() as auteur:
    job = auteur.run({arguments})
    print(job.output_data)
"""
TYPESCRIPT = """import {{ Auteur }} from "auteur-client";

const auteur = new Auteur({{ url, token }});
const job = await auteur.run({arguments});
console.log(job.output_data);
"""


def build_snippets(slug: str, request: dict[str, Any]) -> dict[str, str]:
    """Return the snippets by the titles of their tabs."""
    return {
        "curl": format_code("sh", build_curl(slug, request)),
        "Python": format_code("python", build_python(slug, request)),
        "TypeScript": format_code("ts", build_typescript(slug, request)),
    }


def build_curl(slug: str, request: dict[str, Any]) -> str:
    """Return the shell command."""
    body = json.dumps(request, ensure_ascii=False)
    if len(body) > WIDTH:
        body = json.dumps(request, ensure_ascii=False, indent=2)
    body = shlex.quote(body)
    return BODY.format(slug=slug, body=body)


def build_python(slug: str, request: dict[str, Any]) -> str:
    """Return the Python code. The client waits for the result."""
    arguments = [
        json.dumps(slug),
        *(f"{name}={value!r}" for name, value in _quote_texts(request).items()),
    ]
    return PYTHON.format(arguments=_wrap_arguments(arguments, "        "))


def build_typescript(slug: str, request: dict[str, Any]) -> str:
    """Return the TypeScript code. The client waits for the result."""
    inner = ", ".join(
        f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in request.items()
    )
    if len(inner) > WIDTH:
        lines = (
            f"  {name}: {json.dumps(value, ensure_ascii=False)},\n"
            for name, value in request.items()
        )
        return TYPESCRIPT.format(arguments=f"{json.dumps(slug)}, {{\n{''.join(lines)}}}")
    return TYPESCRIPT.format(arguments=f"{json.dumps(slug)}, {{ {inner} }}")


class _Quoted(str):
    """A text whose representation has double quotes, for Python code."""

    __slots__ = ()

    def __repr__(self) -> str:
        return json.dumps(str(self), ensure_ascii=False)


def _quote_texts(request: dict[str, Any]) -> dict[str, Any]:
    return {k: _Quoted(v) if isinstance(v, str) else v for k, v in request.items()}


def _wrap_arguments(arguments: list[str], indent: str) -> str:
    line = ", ".join(arguments)
    if len(line) <= WIDTH - len(indent):
        return line
    inner = "".join(f"{indent}{argument},\n" for argument in arguments)
    return f"\n{inner}    "
