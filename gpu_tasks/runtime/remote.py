"""Handle one call on a rented machine: plain values in and out, errors included."""

import logging
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from gpu_tasks.runtime import runner
from gpu_tasks.runtime.callback import Reporter
from gpu_tasks.runtime.contract import Contract, GpuClass, Outcome, Payload
from gpu_tasks.runtime.engine import Host
from gpu_tasks.runtime.engine_cache import EngineCache, LoadedEngine
from gpu_tasks.runtime.errors import ErrorCode, StoppedError
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

    Raises nothing: failures are outcomes too. An attempt that is no longer wanted ends as CANCELLED
    and is not reported. ``key`` is the attempt's own (`callback.derive_attempt_key`).
    """
    try:
        valid_payload = contract.payload.model_validate(payload)
    except ValidationError as exc:  # from another version; the error's text holds signed URLs
        logger.warning("a payload of %s has %d errors", contract.name, exc.error_count())
        return Outcome.from_code(ErrorCode.MODEL_ERROR).model_dump(mode="json")
    reporter = Reporter(payload=valid_payload, call_id=call_id, key=key)
    try:
        outcome = _run_call(contract, engine, valid_payload, model_dir, reporter)
        reporter.outcome(outcome)
    except StoppedError:
        logger.info("call %s stopped", call_id)
        outcome = Outcome.from_code(ErrorCode.CANCELLED)
    return outcome.model_dump(mode="json")


def _run_call(
    contract: Contract, engine: str, payload: Payload, model_dir: Path, reporter: Reporter
) -> Outcome:
    try:
        # A call that is no longer wanted need not load anything.
        reporter.progress(0.0, Stage.LOADING)
        loaded = _load_engine(contract, engine, model_dir)
        return runner.run(
            engine=loaded.engine,
            payload=payload,
            progress=reporter.progress,
            request_grant=reporter.request_grant,
            load_seconds=loaded.seconds,
            time_limit_seconds=contract.time_limit_seconds,
        )
    except StoppedError:
        raise
    except (Exception, SystemExit) as exc:
        logger.exception("the %s engine of %s gave way", engine, contract.name)
        return Outcome.from_code(runner.get_error_code(exc))


_engines = EngineCache()


def _load_engine(contract: Contract, engine: str, model_dir: Path) -> LoadedEngine:
    """Return the engine, loaded once per process. Drafts always run on the CPU."""
    on_gpu = engine != "draft" and contract.gpu is not GpuClass.CPU
    host = Host(model_dir, "cuda", contract.dtype) if on_gpu else Host(model_dir)
    return _engines.get(contract.name, engine, host)
