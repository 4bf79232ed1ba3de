"""Where pinned weights lie."""

from pathlib import Path

import pytest

from gpu_tasks import weights
from gpu_tasks.engine import contracts


def test_each_revision_has_a_folder_of_its_own():
    assert weights.folder(Path("/models"), "a/b@123") == Path("/models/a/b/123")


@pytest.mark.parametrize("model", ["a/b", "a/b@", "@123", ""])
def test_a_model_without_a_revision_is_refused(model: str):
    with pytest.raises(ValueError, match="no revision"):
        weights.folder(Path("/models"), model)


@pytest.mark.parametrize("name", contracts())
def test_contracts_pin_commits_and_not_branches(name: str):
    for model in set(contracts()[name].models.values()) - weights.BY_BRANCH:
        _, revision = weights.pinned(model)
        assert len(revision) == 40
        assert int(revision, 16)


def test_what_is_known_by_a_branch_is_in_use():
    used = {model for one in contracts().values() for model in one.models.values()}
    assert used >= weights.BY_BRANCH
