"""`docs/openapi.json`: what the API promises its clients, written from the code and compared to it.

The code is asked in an environment of its own, so that no setting changes the file. What breaks
clients of the last release is found by `auteur.devstack.api_compatibility`.
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
"""What the last release promised."""
COMMAND = "manage.py spectacular --validate --fail-on-warn --format openapi-json --file"
INHERITED = ("HOME", "LANG", "LD_LIBRARY_PATH", "PATH")
"""Of the environment: what Python needs to run; no setting of ours."""
SHOWN_LINES = 40
"""Of a difference; more is seen in the file that `make schema` writes."""


def described() -> str:
    """The OpenAPI document of the code with its default settings; keys are sorted.

    Raises ``StackError`` where the code describes no valid one; why stands on stderr.
    """
    with tempfile.TemporaryDirectory(prefix="auteur-schema-") as folder:
        made = Path(folder) / "openapi.json"
        done = subprocess.run(
            [sys.executable, *COMMAND.split(), str(made)],
            cwd=BASE_DIR,
            env=default_environment(Path(folder)),
            check=False,
        )
        if done.returncode:
            raise StackError("The code does not describe its API: see above.")
        document = json.loads(made.read_text())
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def default_environment(var: Path) -> dict[str, str]:
    """For a command that wants default settings and asks no store; ``var`` is an empty folder."""
    stack.make_folders(var)
    own = {name: os.environ[name] for name in INHERITED if name in os.environ}
    values = environment.prepare(var, ports.read(_ports())) | {"LOG_LEVEL": "ERROR"}
    return environment.of_children(values, own)


def _ports() -> dict[str, str]:
    """Where nobody listens: settings want addresses, and nothing is asked there."""
    free = map(str, ports.free_ports(len(ports.DEFAULTS)))
    return dict(zip(ports.DEFAULTS, free, strict=True))


def write(path: Path = FILE) -> int:
    """Write the file; an exit status."""
    path.write_text(described())
    return 0


def check(path: Path = FILE, released: Path = RELEASED) -> int:
    """Print how the code differs from the file, and what breaks clients; 0 where nothing does."""
    made = described()
    kept = path.read_text() if path.exists() else ""
    told = [compared(kept, made), broken(json.loads(released.read_text()), json.loads(made))]
    print("\n\n".join(filter(None, told)), end="\n" if any(told) else "", file=sys.stderr)
    return 1 if any(told) else 0


def compared(kept: str, made: str) -> str:
    """What is to be told of a file that is not what the code makes; empty where it is."""
    if kept == made:
        return ""
    lines = difflib.unified_diff(
        kept.splitlines(), made.splitlines(), "docs/openapi.json", "the code", n=1, lineterm=""
    )
    first = "\n".join(islice(lines, SHOWN_LINES))
    return f"{first}\n\nThe API is not as docs/openapi.json says. Run `make schema` and commit it."


def broken(released: api_compatibility.Schema, made: api_compatibility.Schema) -> str:
    """What is to be told of breaks; empty where there are none."""
    found = api_compatibility.find_breaks(released, made)
    if not found:
        return ""
    lines = "".join(f"  {line}\n" for line in found)
    return (
        f"Clients of the last release (docs/openapi.released.json) would break:\n{lines}"
        "Keep what they use: CONTRIBUTING.md says how it goes in the end."
    )
