"""Check that the dependencies of draft engines are installed before any process starts."""

import shutil
from importlib.util import find_spec
from typing import Any

from django.core import checks

from jobs.calls.capacity import LOCAL
from jobs.features.base import Feature
from jobs.features.registry import features


def register_checks() -> None:
    """Have Django's commands run this check first, above all `migrate`."""
    checks.register(check_draft_engines)


def check_draft_engines(**kwargs: Any) -> list[checks.CheckMessage]:
    """Return an error for each draft engine that is configured and cannot run here."""
    return [
        checks.Error(
            f"The draft engine of {feature.name} is configured, but these packages are missing: "
            f"{', '.join(names)}.",
            hint="Install requirements/drafts.txt (the image: --build-arg ENGINES=drafts), "
            "or set INFERENCE_ENGINE=production.",
            id="jobs.E001",
        )
        for feature in features().values()
        if (names := list_missing_packages(feature))
    ]


def list_missing_packages(feature: Feature) -> list[str]:
    """Return what the feature's draft engine lacks, if it is configured and runs on our workers."""
    is_ours = feature.backend == LOCAL and feature.engine == "draft"
    needs = feature.contract.draft_needs if is_ours else ()
    return [
        " or ".join(names)
        for need in needs
        if not any(map(_is_installed, names := need.split("|")))
    ]


def _is_installed(name: str) -> bool:
    program = name.removeprefix("bin/")
    return bool(find_spec(name) if program == name else shutil.which(program))
