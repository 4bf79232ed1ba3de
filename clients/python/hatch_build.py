"""Generate `auteur_client.api` with openapi-python-client, and fail if it warns."""

import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CONTRACT = Path("../../docs/openapi.json")
GENERATED = Path("src/auteur_client/api")
TEMPLATES = Path("templates")
CONTENT_TYPES = {
    "application/x-subrip": "text/plain",
    "image/jpeg": "application/octet-stream",
    "*/*": "application/octet-stream",
}
"""The types that the generator is to use for content types that it does not know."""
SUCCESS = re.compile("[23]")
JOB_KINDS = """\
\"""The names of features, the classes of their jobs, and `run`, which maps one to the other.\"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

if TYPE_CHECKING:
    from auteur_client.jobs import OnProgress

    from .models import {classes}

    Job: TypeAlias = {union}

FeatureName: TypeAlias = Literal[{names}]
KINDS = {kinds}


class FeatureRunner:
    \"""A client whose `run` returns a job of its feature's class.\"""

    _run: Any
{overloads}
    def run(self, feature: str, **options: Any) -> Any:
        \"""Submit a job and wait until it is completed; raise ``JobFailedError`` if it fails.\"""
        return self._run(feature, **options)
"""
OVERLOAD = """
    @overload
    def run(
        self,
        feature: {feature},
        *,
        on_progress: OnProgress | None = None,
        idempotency_key: str | None = None,
        **parameters: Any,
    ) -> {job}: ...
"""


class GeneratorWarningError(Exception):
    """The generator skipped a part of the contract, or could not read it."""


class ContractBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # without configuration
    """A build hook that generates the package before a build, also for editable installs."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        contract = root / CONTRACT
        if contract.is_file():  # a source distribution contains the generated package
            generate(contract, root / GENERATED, root / TEMPLATES)


def generate(contract: Path, target: Path, templates: Path) -> None:
    """Generate the package of the contract's models and operations.

    It replaces the old package only if there was no warning. Raises ``GeneratorWarningError``.
    """
    from openapi_python_client import generate as run  # noqa: PLC0415  # not for an sdist's wheel
    from openapi_python_client.config import Config, ConfigFile, MetaType  # noqa: PLC0415
    from openapi_python_client.strings import RESERVED_WORDS  # noqa: PLC0415

    RESERVED_WORDS.discard("credits")  # a builtin of interactive sessions alone

    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".api-") as folder:
        document = Path(folder) / "openapi.json"
        document.write_text(json.dumps(remove_error_responses(json.loads(contract.read_bytes()))))
        package = Path(folder) / "api"
        config = Config.from_sources(
            ConfigFile(content_type_overrides=CONTENT_TYPES, post_hooks=[]),
            MetaType.NONE,
            document,
            "utf-8",
            overwrite=True,
            output_path=package,
        )
        if warnings := run(config=config, custom_template_path=templates):
            raise GeneratorWarningError("\n".join(f"{w.header}: {w.detail}" for w in warnings))
        move_operations_up(package)
        write_job_kinds(package, json.loads(contract.read_bytes()))
        shutil.rmtree(target, ignore_errors=True)
        package.rename(target)


def remove_error_responses(document: dict[str, Any]) -> dict[str, Any]:
    """Remove the error responses from a contract, because `auteur_client.errors` raises errors."""
    for operations in document["paths"].values():
        for operation in operations.values():
            if isinstance(operation, dict):
                responses = operation["responses"]
                operation["responses"] = {s: r for s, r in responses.items() if SUCCESS.match(s)}
    return document


def move_operations_up(package: Path) -> None:
    """Move `api.api.jobs.jobs_list` to `api.jobs.jobs_list`, and so on."""
    for folder in (package / "api").iterdir():
        if folder.is_dir():
            for module in folder.glob("*.py"):
                module.write_text(re.sub(r"(?m)^( *from )\.\.\.", r"\1..", module.read_text()))
            folder.rename(package / folder.name)
    shutil.rmtree(package / "api")


def write_job_kinds(package: Path, contract: dict[str, Any]) -> None:
    """Write `api.job_kinds`, the types of jobs and features by name, which the generator lacks."""
    mapping = contract["components"]["schemas"]["Job"]["discriminator"]["mapping"]
    kinds = {kind: ref.rpartition("/")[2] for kind, ref in sorted(mapping.items())}
    names = {kind: sorted({kind, kind.replace("_", "-")}) for kind in kinds}
    overloads = [
        OVERLOAD.format(feature=f"Literal{json.dumps(names[kind])}", job=job)
        for kind, job in kinds.items()
    ]
    overloads.append(OVERLOAD.format(feature="FeatureName", job="Job"))
    module = JOB_KINDS.format(
        classes=", ".join(kinds.values()),
        union=" | ".join(kinds.values()),
        names=json.dumps([name for spellings in names.values() for name in spellings])[1:-1],
        kinds=json.dumps(kinds, indent=4),
        overloads="".join(overloads),
    )
    (package / "job_kinds.py").write_text(module)
