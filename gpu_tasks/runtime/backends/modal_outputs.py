"""What calls at Modal returned, as plain values: nothing that comes from a container is unpickled.

The client's own ``FunctionCall.get`` unpickles results and exceptions, which is to run whatever
code is in them. Here they are only fetched, and read where they are CBOR.
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
"""Of an outcome; Modal itself holds what is above 2 MiB elsewhere, which is not fetched."""


MAX_RESULT_DEPTH = 32
"""Of lists and objects in each other, as in the body of a callback."""


class NotPlainError(AuteurError):
    """A result that is not CBOR, not here, too large, or with more in it than plain values."""


async def _outputs_of(client: _Client, call_id: str) -> api_pb2.FunctionGetOutputsResponse:
    """What there is of a call's output, without waiting for it."""
    call = _Invocation(client._stub, call_id, client)
    return await call.pop_function_call_outputs(timeout=0)


outputs_of = synchronize_api(_outputs_of)
"""To be awaited as ``outputs_of.aio(client, call_id)``; raises the client's errors."""


def value_of(output: api_pb2.FunctionGetOutputsItem) -> Any:
    """The value that a function returned; raises ``NotPlainError``."""
    if output.data_format != api_pb2.DATA_FORMAT_CBOR:
        raise NotPlainError(f"data format {output.data_format}")
    data = output.result.data
    if not data or len(data) > MAX_RESULT_BYTES:
        raise NotPlainError(f"{len(data)} bytes")
    try:
        return cbor2.loads(
            data, semantic_decoders=defaultdict(lambda: _refuse), max_depth=MAX_RESULT_DEPTH
        )
    except (cbor2.CBORDecodeError, ValueError, RecursionError, MemoryError) as exc:
        raise NotPlainError(type(exc).__name__) from exc


def _refuse(*_: object) -> NoReturn:
    """For every tag: references make much of little, and JSON knows none of the others."""
    raise cbor2.CBORDecodeError("a tag")
