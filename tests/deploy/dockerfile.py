"""`deploy/Dockerfile` and its build context, read as a builder would."""

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from auteur.devstack.processes import BASE_DIR
from tests.deploy.files import text


@dataclass
class Stage:
    """What stands from one ``FROM`` to the next."""

    base: str
    name: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    @property
    def env(self) -> dict[str, str]:
        """What all its ``ENV`` set; ``$PATH`` is left as it is."""
        values = " ".join(rest for name, rest in self.steps if name == "ENV")
        return dict(pair.split("=", 1) for pair in values.split())


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, comments out and continued lines joined."""
    lines = (line for line in text("deploy/Dockerfile").splitlines() if not line.startswith("#"))
    joined = "\n".join(lines).replace("\\\n", " ")
    split = (line.partition(" ") for line in joined.splitlines() if line.strip())
    return [(name, " ".join(rest.split())) for name, _, rest in split]


def stages() -> list[Stage]:
    """The stages in their order; the last is the image."""
    result: list[Stage] = []
    for name, rest in instructions():
        if name == "FROM":
            base, _, alias = rest.partition(" AS ")
            result.append(Stage(base, alias))
        else:
            result[-1].steps.append((name, re.sub(r"--mount=\S+ ", "", rest)))
    return result


def copy_context(target: Path) -> None:
    """Copy there what `.dockerignore` lets in, as ``COPY . .`` does."""
    lines = [line for line in text(".dockerignore").splitlines() if not line.startswith("#")]
    kept_out = [line for line in lines[1:] if not line.startswith("!")]
    for line in lines:
        source = BASE_DIR / line.removeprefix("!")
        if not line.startswith("!"):
            continue
        if source.is_dir():
            shutil.copytree(source, target / line[1:], ignore=_ignored(kept_out))
        elif source.exists():
            (target / line[1:]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / line[1:])


def _ignored(patterns: Sequence[str]) -> Callable[[str, list[str]], set[str]]:
    def ignored(folder: str, names: list[str]) -> set[str]:
        within = Path(folder).relative_to(BASE_DIR)
        return {
            name
            for name in names
            if any(fnmatch(f"x/{within / name}", f"*/{p.removeprefix('**/')}") for p in patterns)
        }

    return ignored
