"""An object store that answers 503, and one whose disk is full; `make chaos` has longer ones."""

import tempfile
from collections.abc import Callable, Iterator
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
STRIKES: dict[str, Callable[[ChaosStack], float]] = {
    "storage_503": lambda stack: strikes.stop_storage(stack, SECONDS),
    "disk_full": lambda stack: strikes.fill_disk(stack, SECONDS),
}


@pytest.fixture(params=STRIKES)
def name(request: pytest.FixtureRequest) -> str:
    """A fault that this machine can run."""
    fault: str = request.param
    if obstacle := faults_of("local")[fault].find_obstacle():
        pytest.skip(obstacle)
    return fault


@pytest.fixture
def storage_stack(name: str) -> Iterator[ChaosStack]:
    """A stack with the storage of this fault."""
    storage = faults_of("local")[name].storage
    with tempfile.TemporaryDirectory(prefix="auteur-chaos-") as folder:
        with ChaosStack(Path(folder), storage=storage) as running:
            yield running


def test_no_job_is_lost_and_none_is_computed_again(storage_stack: ChaosStack, name: str) -> None:
    fault = replace(faults_of("local")[name], strike=STRIKES[name])
    report = run(storage_stack, fault, JOBS)
    assert report.is_clean, f"{report}\n{table([report])}"
    assert report.jobs == JOBS
    assert report.recoveries, "no job was open when the fault struck"
    assert "Everything adds up" in storage_stack.manage("ledger_verify")
