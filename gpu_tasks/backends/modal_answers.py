"""What the Modal client's answers mean to us: a call's status, or why there is none."""

import logging
import re
from typing import Any

from grpclib.exceptions import StreamTerminatedError
from modal import exception as modal_errors
from pydantic import ValidationError

from gpu_tasks.backends.base import CallState, CallStatus
from gpu_tasks.contract import Outcome
from gpu_tasks.errors import ErrorCode
from gpu_tasks.runner import code_of

logger = logging.getLogger(__name__)

UNREACHABLE: tuple[type[BaseException], ...] = (
    modal_errors.ConnectionError,
    modal_errors.ServiceError,
    modal_errors.InternalError,
    modal_errors.ResourceExhaustedError,
    modal_errors.ConflictError,
    modal_errors.DataLossError,
    modal_errors.ClientClosed,
    StreamTerminatedError,
)
"""Nothing was learnt: ask again later. What the client could not reach, it has tried four times."""
MISCONFIGURED: tuple[type[BaseException], ...] = (
    modal_errors.AuthError,
    modal_errors.PermissionDeniedError,
    modal_errors.VersionError,
    modal_errors.UnimplementedError,
)
"""Nothing will be learnt until somebody changes a setting, a token or a deployment."""
GONE: tuple[type[BaseException], ...] = (
    modal_errors.OutputExpiredError,
    modal_errors.NotFoundError,
    modal_errors.InputCancellation,
    modal_errors.RemoteError,  # cancelled by others, evicted, never came up: no error of Python
)
OUT_OF_MEMORY = re.compile(r"\boom\b|out of memory|memory limit|exit code:? 137", re.IGNORECASE)
"""Modal kills a container for its memory with a status that the client tells in words only."""

RUNNING = CallStatus(CallState.RUNNING)
LOST = CallStatus(CallState.LOST)


def status_of_value(call_id: str, value: Any) -> CallStatus:
    """What a call returned, believed only if it is an ``Outcome``."""
    try:
        return CallStatus(CallState.DONE, Outcome.model_validate(value))
    except (ValidationError, TypeError, RecursionError) as exc:  # of another version of ours
        logger.error("what call %s returned is no outcome: %s", call_id, type(exc).__name__)  # noqa: TRY400 - its text may hold anything
        return CallStatus(CallState.DONE, Outcome.failed(ErrorCode.MODEL_ERROR))


def status_of_error(call_id: str, exc: BaseException) -> CallStatus:
    """How a call stands that could not be got; what says nothing about the call is raised again.

    Anything that is not the client's own was raised in the container and travelled to us.
    """
    if isinstance(exc, (*UNREACHABLE, *MISCONFIGURED)):
        raise exc
    if type(exc) is TimeoutError and not exc.args:  # the client's, which says nothing more
        return RUNNING
    killed = isinstance(exc, modal_errors.RemoteError) and OUT_OF_MEMORY.search(str(exc))
    if isinstance(exc, GONE) and not killed:
        logger.info("call %s is lost: %s", call_id, type(exc).__name__)
        return LOST
    code = _code_of(exc)
    logger.warning("call %s failed at Modal: %s, %s", call_id, code, type(exc).__name__)
    return CallStatus(CallState.DONE, Outcome.failed(code))


def _code_of(exc: BaseException) -> ErrorCode:
    if isinstance(exc, modal_errors.FunctionTimeoutError):
        return ErrorCode.GPU_TIMEOUT
    if isinstance(exc, modal_errors.InternalFailure):
        return ErrorCode.GPU_UNAVAILABLE
    if isinstance(exc, modal_errors.RemoteError):
        return ErrorCode.GPU_OOM
    return code_of(exc)
