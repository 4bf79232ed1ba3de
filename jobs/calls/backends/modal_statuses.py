"""The status of a call at Modal, from what its client returned or raised."""

import logging
import re
from typing import Any

from grpclib.exceptions import StreamTerminatedError
from modal import exception as modal_errors
from modal_proto import api_pb2
from pydantic import ValidationError

from gpu_tasks.runtime.contract import Outcome
from gpu_tasks.runtime.errors import ErrorCode
from jobs.calls.backends.base import CallState, CallStatus
from jobs.calls.backends.modal_outputs import NotPlainError, decode_value

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
"""Errors that say nothing about the call: poll again later. The client has tried four times."""
MISCONFIGURED: tuple[type[BaseException], ...] = (
    modal_errors.AuthError,
    modal_errors.PermissionDeniedError,
    modal_errors.VersionError,
    modal_errors.UnimplementedError,
)
"""Errors that last until a setting, a token or the deployment is changed."""
OUT_OF_MEMORY = re.compile(
    r"\boom\b|out ?of ?memory|\bMemoryError\b|memory limit|exit code:? 137", re.IGNORECASE
)
"""Only the text of an error says that a container was killed for its memory."""
CODES = {
    api_pb2.GenericResult.GENERIC_STATUS_TIMEOUT: ErrorCode.GPU_TIMEOUT,
    api_pb2.GenericResult.GENERIC_STATUS_INTERNAL_FAILURE: ErrorCode.GPU_UNAVAILABLE,
    api_pb2.GenericResult.GENERIC_STATUS_FAILURE: ErrorCode.MODEL_ERROR,  # raised in the container
}
"""Other failures are not caused by the call: cancelled by others, evicted, never started."""

UNDER_WAY = CallStatus(CallState.UNDER_WAY)
"""Modal does not distinguish waiting calls from running ones."""
LOST = CallStatus(CallState.LOST)


def build_status_of_value(call_id: str, value: Any) -> CallStatus:
    """Return the status of a call that returned a value, which must be an ``Outcome``."""
    try:
        return CallStatus(CallState.DONE, Outcome.model_validate(value))
    except (ValidationError, TypeError, RecursionError) as exc:  # from another version
        logger.error("what call %s returned is no outcome: %s", call_id, type(exc).__name__)  # noqa: TRY400 - the error's text may hold anything
        return CallStatus(CallState.DONE, Outcome.from_code(ErrorCode.MODEL_ERROR))


def build_status_of_error(call_id: str, exc: modal_errors.Error) -> CallStatus:
    """Return `LOST` for a call that Modal does not know.

    Errors that say nothing about the call are raised again.
    """
    if isinstance(exc, modal_errors.NotFoundError):
        logger.info("call %s is lost: %s", call_id, type(exc).__name__)
        return LOST
    raise exc


def build_status_of_outputs(
    call_id: str, outputs: api_pb2.FunctionGetOutputsResponse
) -> CallStatus:
    """Return the status of a call by its outputs.

    A call without outputs and without unfinished inputs has expired.
    """
    if not outputs.outputs:
        return UNDER_WAY if outputs.num_unfinished_inputs else LOST
    output = outputs.outputs[0]
    if output.result.status != api_pb2.GenericResult.GENERIC_STATUS_SUCCESS:
        return _get_failure_status(call_id, output.result)
    try:
        return build_status_of_value(call_id, decode_value(output))
    except NotPlainError as exc:
        logger.error("what call %s returned is refused: %s", call_id, exc)  # noqa: TRY400
        return CallStatus(CallState.DONE, Outcome.from_code(ErrorCode.MODEL_ERROR))


def _get_failure_status(call_id: str, result: api_pb2.GenericResult) -> CallStatus:
    """Return the status by code and text of the failure.

    The exception that comes with it is not read, because it is pickled.
    """
    code = CODES.get(result.status)
    if code in (None, ErrorCode.MODEL_ERROR) and OUT_OF_MEMORY.search(result.exception):
        code = ErrorCode.GPU_OOM
    if code is None:
        logger.info("call %s is lost: status %d", call_id, result.status)
        return LOST
    logger.warning("call %s failed at Modal: %s", call_id, code)
    return CallStatus(CallState.DONE, Outcome.from_code(code))
