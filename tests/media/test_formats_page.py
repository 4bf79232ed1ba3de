"""docs/formats.md names what is accepted, and why a file is refused."""

import inspect
from pathlib import Path

import pytest

from auteur.devstack.processes import BASE_DIR
from gpu_tasks.runtime.errors import InputRefusedError
from media import inspection, probing
from media.content_types import ACCEPTED

PAGE = Path(BASE_DIR, "docs", "formats.md").read_text(encoding="utf-8")
CODES = [
    refusal.code
    for module in (probing, inspection)
    for _, refusal in inspect.getmembers(module, inspect.isclass)
    if issubclass(refusal, InputRefusedError) and refusal is not InputRefusedError
]


@pytest.mark.parametrize("term", sorted({*ACCEPTED, *CODES}))
def test_the_page_names_it(term: str) -> None:
    assert f"`{term}`" in PAGE
