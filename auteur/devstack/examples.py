"""`make docs-examples`: each feature is run once, and what was asked and answered is kept.

The pages of `/help` show it (`auteur.help`); a test holds it against the contract.
"""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from auteur.devstack import demo, offer
from auteur.devstack.processes import BASE_DIR
from auteur.devstack.screen import Screen
from auteur.devstack.tour import Tour

FOLDER = BASE_DIR / "docs" / "examples" / "features"
PUBLIC = "https://storage.example.com"
"""In the place of this machine's address, in what is kept."""
SAID = 3
"""As many items of a list of an output are kept; the page says so."""
SIGNED = re.compile(r"https?://[^/]+/\S+")

Json = dict[str, Any]


def run(var: Path, feature: str) -> int:
    """Run one feature or all; 0 only if all were completed."""
    wanted = offer.checked(offer.features(), feature, [])
    screen = Screen()
    with demo.a_stack(var, screen) as values:
        Tour(demo.a_visitor(values, screen), screen, var / "demo", _keep).show(wanted, [])
    return 1 if screen.failed else 0


def _keep(feature: Json, asked: Json, job: Json) -> None:
    if job["status"] != "completed":
        return
    kept = {"tariff": feature["tariff"], "request": asked, "job": job}
    FOLDER.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_small(kept), indent=1, ensure_ascii=False)
    (FOLDER / f"{feature['slug']}.json").write_text(text + "\n")


def _small(value: Any) -> Any:
    """Small, and without the signatures of URLs."""
    if isinstance(value, dict):
        return {name: _small(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_small(inner) for inner in value[:SAID]]
    if isinstance(value, str) and SIGNED.fullmatch(value):
        return PUBLIC + urlsplit(value).path
    return value
