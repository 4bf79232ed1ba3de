"""Handle one call on a machine that is not ours: plain values in and out, errors included."""

import logging
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from gpu_tasks.runtime import runner
from gpu_tasks.runtime.callback import Reporter
from gpu_tasks.runtime.contract import Contract, GpuClass, Outcome, Payload
from gpu_tasks.runtime.engine import Host
from gpu_tasks.runtime.errors import ErrorCode, StoppedError
from gpu_tasks.runtime.loading import Engines, Loaded
from gpu_tasks.runtime.stages import Stage

logger = logging.getLogger(__name__)


def handle(
    *,
    contract: Contract,
    engine: str,
    payload: dict[str, Any],
    call_id: str,
    key: SecretStr,
    model_dir: Path,
) -> dict[str, Any]:
    """Run the call, report it by signed callback, and return its dumped ``Outcome``.

    Raises nothing: what fails is an outcome too. An attempt that nobody wants ends as CANCELLED
    and is not reported. ``key`` is the attempt's own (`callback.attempt_key`).
    """
    try:
        known = contract.payload.model_validate(payload)
    except ValidationError as exc:  # of another version of ours; its text holds signed URLs
        logger.warning("a payload of %s has %d errors", contract.name, exc.error_count())
        return Outcome.failed(ErrorCode.MODEL_ERROR).model_dump(mode="json")
    reporter = Reporter(payload=known, call_id=call_id, key=key)
    try:
        outcome = _outcome(contract, engine, known, model_dir, reporter)
        reporter.outcome(outcome)
    except StoppedError:
        logger.info("call %s stopped", call_id)
        outcome = Outcome.failed(ErrorCode.CANCELLED)
    return outcome.model_dump(mode="json")


def _outcome(
    contract: Contract, engine: str, payload: Payload, model_dir: Path, reporter: Reporter
) -> Outcome:
    try:
        # Who is not wanted any more need not load anything.
        reporter.progress(0.0, Stage.LOADING)
        loaded = _load(contract, engine, model_dir)
        return runner.run(
            engine=loaded.engine,
            payload=payload,
            progress=reporter.progress,
            place_for=reporter.place_for,
            load_seconds=loaded.seconds,
            time_limit_seconds=contract.time_limit_seconds,
        )
    except StoppedError:
        raise
    except (Exception, SystemExit) as exc:
        logger.exception("the %s engine of %s gave way", engine, contract.name)
        return Outcome.failed(runner.code_of(exc))


_engines = Engines()


def _load(contract: Contract, engine: str, model_dir: Path) -> Loaded:
    """The engine, loaded once per process; drafts are made for CPUs."""
    on_gpu = engine != "draft" and contract.gpu is not GpuClass.CPU
    host = Host(model_dir, "cuda", contract.dtype) if on_gpu else Host(model_dir)
    return _engines.get(contract.name, engine, host)
