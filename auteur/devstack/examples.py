"""`make docs-examples`: run each feature once, and record its request and response.

The pages of `/help` show the record (`auteur.help`). A test checks it against the contract.
"""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from auteur.devstack import demo, demo_features
from auteur.devstack.processes import BASE_DIR
from auteur.devstack.screen import Screen
from auteur.devstack.tour import Tour

FOLDER = BASE_DIR / "docs" / "examples" / "features"
PUBLIC = "https://storage.example.com"
"""The origin that replaces this machine's address in recorded URLs."""
MAX_ITEMS = 3
"""How many items of an output's list are recorded. The page states this."""
SIGNED = re.compile(r"https?://[^/]+/\S+")

Json = dict[str, Any]


def record_examples(var: Path, feature: str) -> int:
    """Run one feature or all. Return 0 only if all jobs completed."""
    features = demo_features.select_features(demo_features.list_features(), feature, [])
    screen = Screen()
    with demo.connect_stack(var, screen) as values:
        Tour(demo.create_visitor(values, screen), screen, var / "demo", _record).show(features, [])
    return 1 if screen.failed else 0


def _record(feature: Json, request: Json, job: Json) -> None:
    if job["status"] != "completed":
        return
    example = {"tariff": feature["tariff"], "request": request, "job": job}
    FOLDER.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_shorten(example), indent=1, ensure_ascii=False)
    (FOLDER / f"{feature['slug']}.json").write_text(text + "\n")


def _shorten(value: Any) -> Any:
    """Shorten lists, and remove the signatures of URLs."""
    if isinstance(value, dict):
        return {name: _shorten(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_shorten(inner) for inner in value[:MAX_ITEMS]]
    if isinstance(value, str) and SIGNED.fullmatch(value):
        return PUBLIC + urlsplit(value).path
    return value
