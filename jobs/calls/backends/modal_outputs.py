"""The results of calls at Modal as plain values: nothing that comes from a container is unpickled.

The client's own ``FunctionCall.get`` unpickles results and exceptions, which runs any code in them.
Here results are only fetched, and decoded if they are CBOR.
"""

from collections import defaultdict
from typing import Any, NoReturn

import cbor2
from modal._functions import _Invocation
from modal._utils.async_utils import synchronize_api
from modal.client import _Client
from modal_proto import api_pb2

from gpu_tasks.runtime.errors import AuteurError

MAX_RESULT_BYTES = 4 * 1024 * 1024
"""The limit of an outcome. Modal stores results above 2 MiB elsewhere; they are not fetched."""


MAX_RESULT_DEPTH = 32
"""The limit of nested lists and objects, as in the body of a callback."""


class NotPlainError(AuteurError):
    """A result that is not CBOR, is too large, is stored elsewhere, or is no plain value."""


async def _get_outputs(client: _Client, call_id: str) -> api_pb2.FunctionGetOutputsResponse:
    """Return the outputs of a call so far, without waiting."""
    call = _Invocation(client._stub, call_id, client)
    return await call.pop_function_call_outputs(timeout=0)


get_outputs = synchronize_api(_get_outputs)
"""Await it as ``outputs_of.aio(client, call_id)``; it raises the client's errors."""


def decode_value(output: api_pb2.FunctionGetOutputsItem) -> Any:
    """Decode the value that a function returned; raises ``NotPlainError``."""
    if output.data_format != api_pb2.DATA_FORMAT_CBOR:
        raise NotPlainError(f"data format {output.data_format}")
    data = output.result.data
    if not data or len(data) > MAX_RESULT_BYTES:
        raise NotPlainError(f"{len(data)} bytes")
    try:
        return cbor2.loads(
            data, semantic_decoders=defaultdict(lambda: _refuse_tag), max_depth=MAX_RESULT_DEPTH
        )
    except (cbor2.CBORDecodeError, ValueError, RecursionError, MemoryError) as exc:
        raise NotPlainError(type(exc).__name__) from exc


def _refuse_tag(*_: object) -> NoReturn:
    """Refuse every tag: references make large values of small ones, and JSON has no other tags."""
    raise cbor2.CBORDecodeError("a tag")
