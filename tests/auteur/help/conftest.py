"""The site, built once by the command that `make docs` runs."""

from pathlib import Path

import pytest

from auteur.devstack import docs


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("help") / "site"
    assert docs.build_docs(built) == 0
    return built
