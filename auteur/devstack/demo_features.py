"""The features that `make demo` can run, checked before anything is started."""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from auteur.devstack import environment, ports
from auteur.devstack.errors import StackError
from auteur.devstack.management import manage
from auteur.devstack.screen import Json

ALL = "all"
MEDIA, TIMELINE = "media_id", "project_id"
"""Parameters with the suffix, or the name, of these constants take files in an example."""


def list_features() -> dict[str, Json]:
    """Return the enabled features by slug, as `manage.py features` lists them."""
    with tempfile.TemporaryDirectory(prefix="auteur-features-") as folder:
        # The command reads the settings and uses no store.
        values = environment.write_environment(Path(folder), ports.read_ports({}))
        output = manage(
            environment.build_child_environment(values, os.environ), "features", "--json"
        )
    return {feature["slug"]: feature for feature in json.loads(output) if feature["enabled"]}


def select_features(
    features_by_slug: Mapping[str, Json], slug: str, files: Sequence[Path]
) -> list[Json]:
    """Return the features for a slug or `ALL`.

    Raise ``StackError`` if there is no such feature, or it cannot take that many files.
    """
    if slug == ALL:
        if files:
            raise StackError(
                "Your own files need one feature. Name it with FEATURE=… instead of all."
            )
        return list(features_by_slug.values())
    if slug not in features_by_slug:
        raise StackError(f"There is no feature {slug}. Use {', '.join(features_by_slug)} or {ALL}.")
    limit = count_file_parameters(features_by_slug[slug])
    if len(files) > limit:
        taking = ", ".join(
            f"{name} ({number})"
            for name, feature in features_by_slug.items()
            if (number := count_file_parameters(feature))
        )
        raise StackError(
            f"Too many files for {slug}: it takes {limit or 'none'}, not {len(files)}. "
            f"These features take files: {taking}."
        )
    return [features_by_slug[slug]]


def count_file_parameters(feature: Json) -> int:
    """Return how many files can replace the samples of a feature, at most."""
    return sum(_count_files(name, value) for name, value in feature["example"].items())


def _count_files(name: str, value: Any) -> int:
    if name == TIMELINE:
        return len(value)
    return 1 if name.endswith(MEDIA) else 0
