"""The most telling faults with calls at Modal; `make chaos BACKEND=modal` runs all of them."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos import strikes
from tests.chaos.faults import BOUNDED_MODAL, faults_of
from tests.chaos.scenario import run, table
from tests.chaos.stack import ChaosStack

pytestmark = pytest.mark.xdist_group("chaos")

JOBS = 16
SLOW_SECONDS = 25.0


@pytest.fixture(scope="module")
def stack_on_modal() -> Iterator[ChaosStack]:
    with tempfile.TemporaryDirectory(prefix="auteur-chaos-modal-") as folder:
        with ChaosStack(Path(folder), "modal") as running:
            yield running


@pytest.mark.parametrize("name", BOUNDED_MODAL)
def test_no_job_and_no_credit_is_lost(stack_on_modal: ChaosStack, name: str) -> None:
    accepted = stack_on_modal.peer.taken()
    report = run(stack_on_modal, faults_of("modal")[name], JOBS)
    assert report.is_clean, f"{report}\n{table([report])}"
    assert report.jobs == JOBS
    assert report.recoveries, "no job was open when the fault struck"
    assert stack_on_modal.peer.taken() > accepted + JOBS // 2, "few calls came to the peer"


def test_late_starts_are_not_bought_again(stack_on_modal: ChaosStack) -> None:
    """The short form: in `make chaos` Modal is slow for longer."""
    fault = replace(
        faults_of("modal")["modal_slow_starts"],
        strike=lambda stack: strikes.start_calls_late(stack, SLOW_SECONDS),
    )
    report = run(stack_on_modal, fault, JOBS // 2)
    assert report.is_clean, f"{report}\n{table([report])}"
    assert report.recoveries, "no job was open when the fault struck"


def test_the_books_are_right_after_all_that(stack_on_modal: ChaosStack) -> None:
    assert "Everything adds up" in stack_on_modal.manage("ledger_verify")


def test_each_backend_has_the_faults_that_make_sense_there() -> None:
    local, modal = faults_of("local"), faults_of("modal")
    assert set(local) - set(modal) == {
        "worker child SIGKILL in a call",
        "CPU worker SIGKILL",
        "CPU worker SIGSTOP, SIGCONT",
    }
    assert {fault.backend for name, fault in modal.items() if name not in local} == {"modal"}
    assert set(BOUNDED_MODAL) <= set(modal)
