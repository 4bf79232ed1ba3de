"""`docs/openapi.json`: write it from the code, or compare the two.

The code runs in an environment of its own, so that no setting changes the file.
`auteur.devstack.api_compatibility` finds changes that break clients of the last release.
"""

import difflib
import json
import os
import subprocess
import sys
import tempfile
from itertools import islice
from pathlib import Path

from auteur.devstack import api_compatibility, environment, ports, stack
from auteur.devstack.errors import StackError
from auteur.devstack.processes import BASE_DIR

FILE = BASE_DIR / "docs" / "openapi.json"
RELEASED = BASE_DIR / "docs" / "openapi.released.json"
"""The document of the last release."""
COMMAND = "manage.py spectacular --validate --fail-on-warn --format openapi-json --file"
INHERITED = ("HOME", "LANG", "LD_LIBRARY_PATH", "PATH")
"""Inherited environment variables: those that Python needs to run, and no setting of ours."""
SHOWN_LINES = 40
"""How many lines of a difference are printed. `make schema` writes the whole file."""


def build_document() -> str:
    """Return the code's OpenAPI document with default settings and sorted keys.

    Raise ``StackError`` if the code describes no valid document. The reason is printed to stderr.
    """
    with tempfile.TemporaryDirectory(prefix="auteur-schema-") as folder:
        path = Path(folder) / "openapi.json"
        result = subprocess.run(
            [sys.executable, *COMMAND.split(), str(path)],
            cwd=BASE_DIR,
            env=build_default_environment(Path(folder)),
            check=False,
        )
        if result.returncode:
            raise StackError("The OpenAPI document cannot be built. The errors above say why.")
        document = json.loads(path.read_text())
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def build_default_environment(var: Path) -> dict[str, str]:
    """Return an environment with default settings, for a command that needs no store.

    ``var`` is an empty folder.
    """
    stack.create_folders(var)
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    values = environment.write_environment(var, ports.read_ports(_choose_free_ports())) | {
        "LOG_LEVEL": "ERROR"
    }
    return environment.build_child_environment(values, inherited)


def _choose_free_ports() -> dict[str, str]:
    """Return ports on which nothing listens: settings need addresses, but no command uses them."""
    free = map(str, ports.find_free_ports(len(ports.DEFAULTS)))
    return dict(zip(ports.DEFAULTS, free, strict=True))


def write_contract(path: Path = FILE) -> int:
    """Write the file. Return an exit status."""
    path.write_text(build_document())
    return 0


def check_contract(path: Path = FILE, released: Path = RELEASED) -> int:
    """Print how the code differs from the file, and breaks clients. Return 0 if it does neither."""
    current = build_document()
    stored = path.read_text() if path.exists() else ""
    messages = [
        describe_difference(stored, current),
        describe_breaks(json.loads(released.read_text()), json.loads(current)),
    ]
    print("\n\n".join(filter(None, messages)), end="\n" if any(messages) else "", file=sys.stderr)
    return 1 if any(messages) else 0


def describe_difference(stored: str, current: str) -> str:
    """Return a message if the stored document differs from the code's, else an empty text."""
    if stored == current:
        return ""
    lines = difflib.unified_diff(
        stored.splitlines(), current.splitlines(), "docs/openapi.json", "the code", n=1, lineterm=""
    )
    first = "\n".join(islice(lines, SHOWN_LINES))
    return (
        f"{first}\n\nThe API differs from docs/openapi.json. Run `make schema` and commit the file."
    )


def describe_breaks(released: api_compatibility.Schema, current: api_compatibility.Schema) -> str:
    """Return a message about changes that break clients, or an empty text."""
    breaks = api_compatibility.find_breaks(released, current)
    if not breaks:
        return ""
    lines = "".join(f"  {line}\n" for line in breaks)
    return (
        f"Clients of the last release (docs/openapi.released.json) would break:\n{lines}"
        "Keep what they use. CONTRIBUTING.md says how to remove it later."
    )
