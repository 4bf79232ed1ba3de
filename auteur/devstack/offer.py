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
"""Parameters that end, or are named, like this take files in an example."""


def features() -> dict[str, Json]:
    """The features by their slugs that are not switched off, as `manage.py features` has them."""
    with tempfile.TemporaryDirectory(prefix="auteur-features-") as folder:
        # The command reads the settings and asks no store.
        values = environment.prepare(Path(folder), ports.read({}))
        listed = manage(environment.of_children(values, os.environ), "features", "--json")
    return {feature["slug"]: feature for feature in json.loads(listed) if feature["enabled"]}


def checked(known: Mapping[str, Json], wanted: str, files: Sequence[Path]) -> list[Json]:
    """The features that are meant by a slug or `ALL`.

    Raises ``StackError`` where there is none of that name, or it has no use for so many files.
    """
    if wanted == ALL:
        if files:
            raise StackError("Files of your own go with one feature, not with all.")
        return list(known.values())
    if wanted not in known:
        raise StackError(f"No feature {wanted}: there are {', '.join(known)}; or {ALL}.")
    room = places(known[wanted])
    if len(files) > room:
        taking = ", ".join(f"{slug} ({n})" for slug, one in known.items() if (n := places(one)))
        raise StackError(
            f"Too many files for {wanted}: it takes {room or 'none'}, not {len(files)}. "
            f"Files go with {taking}."
        )
    return [known[wanted]]


def places(feature: Json) -> int:
    """How many files take the places of a feature's samples at most."""
    return sum(_files_of(name, value) for name, value in feature["example"].items())


def _files_of(name: str, value: Any) -> int:
    if name == TIMELINE:
        return len(value)
    return 1 if name.endswith(MEDIA) else 0
