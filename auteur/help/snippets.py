"""The same submission by curl, in Python and in TypeScript."""

import json
import shlex
from typing import Any

from auteur.help.markdown import fenced

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


def submission(slug: str, asked: dict[str, Any]) -> dict[str, str]:
    """By the titles of their tabs."""
    return {
        "curl": fenced("sh", curl(slug, asked)),
        "Python": fenced("python", python(slug, asked)),
        "TypeScript": fenced("ts", typescript(slug, asked)),
    }


def curl(slug: str, asked: dict[str, Any]) -> str:
    """What a shell runs."""
    body = json.dumps(asked, ensure_ascii=False)
    if len(body) > WIDTH:
        body = json.dumps(asked, ensure_ascii=False, indent=2)
    body = shlex.quote(body)
    return BODY.format(slug=slug, body=body)


def python(slug: str, asked: dict[str, Any]) -> str:
    """With the client, which waits for the result."""
    given = [json.dumps(slug), *(f"{name}={value!r}" for name, value in _quoted(asked).items())]
    return PYTHON.format(arguments=_laid_out(given, "        "))


def typescript(slug: str, asked: dict[str, Any]) -> str:
    """Likewise."""
    inner = ", ".join(
        f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in asked.items()
    )
    if len(inner) > WIDTH:
        lines = (
            f"  {name}: {json.dumps(value, ensure_ascii=False)},\n" for name, value in asked.items()
        )
        return TYPESCRIPT.format(arguments=f"{json.dumps(slug)}, {{\n{''.join(lines)}}}")
    return TYPESCRIPT.format(arguments=f"{json.dumps(slug)}, {{ {inner} }}")


class _Quoted(str):
    """Text that Python is shown in double quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return json.dumps(str(self), ensure_ascii=False)


def _quoted(asked: dict[str, Any]) -> dict[str, Any]:
    return {k: _Quoted(v) if isinstance(v, str) else v for k, v in asked.items()}


def _laid_out(given: list[str], indent: str) -> str:
    line = ", ".join(given)
    if len(line) <= WIDTH - len(indent):
        return line
    inner = "".join(f"{indent}{each},\n" for each in given)
    return f"\n{inner}    "
