"""An object store that answers 503 for seconds; `make chaos` has longer ones, and a full disk."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos import strikes
from tests.chaos.faults import faults_of
from tests.chaos.scenario import run, table
from tests.chaos.stack import ChaosStack

pytestmark = pytest.mark.xdist_group("chaos")

JOBS = 12
SECONDS = 15.0
NAME = "storage_503"


@pytest.fixture
def storage_stack() -> Iterator[ChaosStack]:
    """A stack with the storage of this fault."""
    with tempfile.TemporaryDirectory(prefix="auteur-chaos-") as folder:
        with ChaosStack(Path(folder), storage=faults_of("local")[NAME].storage) as running:
            yield running


def test_no_job_is_lost_and_none_is_computed_again(storage_stack: ChaosStack) -> None:
    fault = replace(
        faults_of("local")[NAME], strike=lambda stack: strikes.stop_storage(stack, SECONDS)
    )
    report = run(storage_stack, fault, JOBS)
    assert report.is_clean, f"{report}\n{table([report])}"
    assert report.jobs == JOBS
    assert report.recoveries, "no job was open when the fault struck"
    assert "Everything adds up" in storage_stack.manage("ledger_verify")
