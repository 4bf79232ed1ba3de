"""How a call at Modal stands, by what its client returned or raised."""

import logging
import re
from typing import Any

from grpclib.exceptions import StreamTerminatedError
from modal import exception as modal_errors
from modal_proto import api_pb2
from pydantic import ValidationError

from gpu_tasks.runtime.backends.base import CallState, CallStatus
from gpu_tasks.runtime.backends.modal_outputs import NotPlainError, value_of
from gpu_tasks.runtime.contract import Outcome
from gpu_tasks.runtime.errors import ErrorCode

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
OUT_OF_MEMORY = re.compile(
    r"\boom\b|out ?of ?memory|\bMemoryError\b|memory limit|exit code:? 137", re.IGNORECASE
)
"""Modal tells in words only that a container was killed for its memory, and what it raised."""
CODES = {
    api_pb2.GenericResult.GENERIC_STATUS_TIMEOUT: ErrorCode.GPU_TIMEOUT,
    api_pb2.GenericResult.GENERIC_STATUS_INTERNAL_FAILURE: ErrorCode.GPU_UNAVAILABLE,
    api_pb2.GenericResult.GENERIC_STATUS_FAILURE: ErrorCode.MODEL_ERROR,  # raised in the container
}
"""Other ends are none of the call's doing: cancelled by others, evicted, never came up."""

UNDER_WAY = CallStatus(CallState.UNDER_WAY)
"""Modal does not tell what waits for a container from what runs in one."""
LOST = CallStatus(CallState.LOST)


def status_of_value(call_id: str, value: Any) -> CallStatus:
    """What a call returned, believed only if it is an ``Outcome``."""
    try:
        return CallStatus(CallState.DONE, Outcome.model_validate(value))
    except (ValidationError, TypeError, RecursionError) as exc:  # of another version of ours
        logger.error("what call %s returned is no outcome: %s", call_id, type(exc).__name__)  # noqa: TRY400 - its text may hold anything
        return CallStatus(CallState.DONE, Outcome.failed(ErrorCode.MODEL_ERROR))


def status_of_error(call_id: str, exc: modal_errors.Error) -> CallStatus:
    """How a call stands that Modal does not know; what says nothing about it is raised again."""
    if isinstance(exc, modal_errors.NotFoundError):
        logger.info("call %s is lost: %s", call_id, type(exc).__name__)
        return LOST
    raise exc


def status_of_outputs(call_id: str, found: api_pb2.FunctionGetOutputsResponse) -> CallStatus:
    """How a call stands by what there is of its output; none and nothing under way is expired."""
    if not found.outputs:
        return UNDER_WAY if found.num_unfinished_inputs else LOST
    output = found.outputs[0]
    if output.result.status != api_pb2.GenericResult.GENERIC_STATUS_SUCCESS:
        return _status_of_failure(call_id, output.result)
    try:
        return status_of_value(call_id, value_of(output))
    except NotPlainError as exc:
        logger.error("what call %s returned is refused: %s", call_id, exc)  # noqa: TRY400
        return CallStatus(CallState.DONE, Outcome.failed(ErrorCode.MODEL_ERROR))


def _status_of_failure(call_id: str, result: api_pb2.GenericResult) -> CallStatus:
    """By status and words: an exception that came along is not looked at, for it is pickled."""
    code = CODES.get(result.status)
    if code in (None, ErrorCode.MODEL_ERROR) and OUT_OF_MEMORY.search(result.exception):
        code = ErrorCode.GPU_OOM
    if code is None:
        logger.info("call %s is lost: status %d", call_id, result.status)
        return LOST
    logger.warning("call %s failed at Modal: %s", call_id, code)
    return CallStatus(CallState.DONE, Outcome.failed(code))
