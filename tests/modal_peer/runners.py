"""What runs on the peer's behalf: functions in processes, bare reports in threads."""

import logging
import multiprocessing
import warnings
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

from tests.modal_peer.book import PeerCall
from tests.modal_peer.scenario import canned_outcome

logger = logging.getLogger(__name__)

Done = Callable[[dict[str, Any] | Exception], None]
REPORTERS = 4


class Runners:
    """Starts its processes when the first function is to run."""

    def __init__(self, processes: int = 1) -> None:
        self._processes = processes
        self._pools: dict[str, Executor] = {}

    def run(self, call: PeerCall, call_id: str, done: Done) -> "Future[dict[str, Any]]":
        """Run the function of `gpu_tasks/runtime/modal_app.py`."""
        if "run" not in self._pools:
            context = multiprocessing.get_context("spawn")
            self._pools["run"] = ProcessPoolExecutor(self._processes, mp_context=context)
        future = self._pools["run"].submit(
            _run, call.function, call.engine, call.payload, call.key, call_id
        )
        future.add_done_callback(lambda ended: _tell(ended, done))
        return future

    def report(self, call: PeerCall, call_id: str, done: Done) -> "Future[dict[str, Any]]":
        """Say by the signed callback that the call has ended well."""
        if "report" not in self._pools:
            self._pools["report"] = ThreadPoolExecutor(REPORTERS)
        future = self._pools["report"].submit(
            _report, call.function, call.payload, call.key, call_id
        )
        future.add_done_callback(lambda ended: _tell(ended, done))
        return future

    def stop(self) -> None:
        """Drop what waits; what runs is waited for."""
        for pool in self._pools.values():
            pool.shutdown(cancel_futures=True)
        self._pools.clear()


def _tell(future: "Future[dict[str, Any]]", done: Done) -> None:
    if future.cancelled():
        return
    try:
        done(future.result())
    except Exception as exc:  # noqa: BLE001 - as a container's error
        done(exc)


def _run(
    function: str, engine: str, payload: dict[str, Any], key: str, call_id: str
) -> dict[str, Any]:
    """In a process of its own: what a container does with one input."""
    warnings.filterwarnings("ignore", "The .* function is executing locally")
    from modal._runtime.execution_context import _set_current_context_ids

    from gpu_tasks.runtime import modal_app
    from gpu_tasks.runtime.engine import contracts

    registered = getattr(modal_app, modal_app.get_implementation_name(contracts()[function]))
    forget = _set_current_context_ids([f"in-{call_id}"], [call_id], [""])
    try:
        return registered.local(payload, engine, key)
    finally:
        forget()


def _report(function: str, payload: dict[str, Any], key: str, call_id: str) -> dict[str, Any]:
    from pydantic import SecretStr

    from gpu_tasks.runtime.callback import Reporter
    from gpu_tasks.runtime.contract import Outcome
    from gpu_tasks.runtime.engine import contracts
    from gpu_tasks.runtime.errors import StoppedError

    outcome = canned_outcome(function)
    expected = contracts()[function].payload.model_validate(payload)
    reporter = Reporter(payload=expected, call_id=call_id, key=SecretStr(key))
    try:
        reporter.outcome(Outcome.model_validate(outcome))
    except StoppedError:
        logger.info("call %s stopped", call_id)
    return outcome
