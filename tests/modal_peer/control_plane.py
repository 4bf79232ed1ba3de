"""The requests that the client makes for calls: look up, start, ask, cancel."""

import asyncio
import random
import time
from typing import Any
from uuid import uuid4

from grpclib import GRPCError, Status
from modal._utils.grpc_testing import patch_mock_servicer
from modal_proto import api_pb2
from modal_proto.api_grpc import ModalClientBase

from gpu_tasks.runtime.engine import contracts
from tests.modal_peer.book import Book, PeerCall
from tests.modal_peer.deployment import DeploymentRequests, data_of
from tests.modal_peer.runners import Done, Runners
from tests.modal_peer.scenario import (
    ENDLESS_SCENARIOS,
    PICKLED_SCENARIOS,
    REFUSALS,
    Scenario,
    cancelled,
    ended,
    raised,
    refusal,
    success,
)

INLINE_BYTES = 8 * 1024
"""Arguments up to this come with the request, longer ones by the blob store, as at Modal."""
WAIT_SECONDS = 0.02
TOKEN_HEADERS = ("x-modal-token-id", "x-modal-token-secret")
IDEMPOTENCY_HEADER = "x-idempotency-key"


@patch_mock_servicer
class ControlPlane(DeploymentRequests, ModalClientBase):  # type: ignore[misc]
    """Answers by the book's script."""

    def __init__(self, book: Book, runners: Runners) -> None:
        self.book = book
        self.blob_url = ""
        self._runners = runners

    async def ClientHello(self, stream: Any) -> None:
        await self._received(stream)
        await stream.send_message(api_pb2.ClientHelloResponse())

    async def FunctionGet(self, stream: Any) -> None:
        request = await self._received(stream)
        name = request.object_tag
        self.book.looked_up.append((request.app_name, name, request.environment_name))
        if name not in contracts():
            raise GRPCError(Status.NOT_FOUND, f"no function {name}")
        deployed = self.book.deployed.get(name)
        definition = deployed or api_pb2.Function(function_name=name)
        await stream.send_message(
            api_pb2.FunctionGetResponse(
                function_id=f"fu-{name}",
                function=data_of(definition),
                handle_metadata=api_pb2.FunctionHandleMetadata(
                    function_name=name,
                    function_type=api_pb2.Function.FUNCTION_TYPE_FUNCTION,
                    max_object_size_bytes=INLINE_BYTES,
                    max_async_object_size_bytes=INLINE_BYTES,
                    app_id="ap-peer",
                ),
            )
        )

    async def BlobCreate(self, stream: Any) -> None:
        await self._received(stream)
        blob_id = self._new("bl")
        urls = api_pb2.UploadUrlList(items=[f"{self.blob_url}/{blob_id}"])
        await stream.send_message(api_pb2.BlobCreateResponse(blob_ids=[blob_id], upload_urls=urls))

    async def FunctionMap(self, stream: Any) -> None:
        request = await self._received(stream)
        key = stream.metadata.get(IDEMPOTENCY_HEADER, "")
        call_id = self.book.spawned.get(key)
        scenario = self.book.calls[call_id].scenario if call_id else self.book.script.next()
        if scenario in REFUSALS:
            raise refusal(scenario)
        if call_id is None:
            call_id = self.book.spawned[key] = self._take(request, scenario)
            if scenario is Scenario.LOST_REPLY:
                raise refusal(Scenario.UNAVAILABLE)
        if scenario is Scenario.LOST_REPLIES:
            raise refusal(Scenario.UNAVAILABLE)
        if scenario is Scenario.SILENCE:
            await asyncio.Event().wait()
        if scenario is Scenario.LATE_REPLY:
            await asyncio.sleep(self.book.late_seconds)
        item = api_pb2.FunctionPutInputsResponseItem(idx=0, input_id=f"in-{call_id}")
        await stream.send_message(
            api_pb2.FunctionMapResponse(function_call_id=call_id, pipelined_inputs=[item])
        )

    def _take(self, request: api_pb2.FunctionMapRequest, scenario: Scenario) -> str:
        call_id = f"fc-{uuid4().hex}"
        after = self.book.slow_seconds + random.uniform(0, self.book.spread_seconds)
        waits = scenario in {Scenario.SLOW, Scenario.REPORT}
        (item,) = request.pipelined_inputs
        call = PeerCall(
            function=request.function_id.removeprefix("fu-"),
            arguments=item.input.args or self.book.blobs.pop(item.input.args_blob_id),
            scenario=scenario,
            ends_at=time.monotonic() + (after if waits else 0),
            runs=self.book.script.runs(scenario),
        )
        self.book.calls[call_id] = call
        if call.runs:
            self.start(call_id, call)
        return call_id

    def start(self, call_id: str, call: PeerCall) -> None:
        """Have it run or reported, by its scenario."""

        def done(value: dict[str, Any] | Exception) -> None:
            failed = isinstance(value, Exception)
            call.outcome = None if isinstance(value, Exception) else value
            if not call.cancelled:
                call.result = raised(value) if failed else success(value)

        call.runs = True
        if call.scenario is Scenario.REPORT:
            until = max(0.0, call.ends_at - time.monotonic())
            asyncio.get_running_loop().call_later(until, self._report, call_id, call, done)
        else:
            call.run = self._runners.run(call, call_id, done)

    def _report(self, call_id: str, call: PeerCall, done: Done) -> None:
        if not call.cancelled:
            call.run = self._runners.report(call, call_id, done)

    async def FunctionGetOutputs(self, stream: Any) -> None:
        request = await self._received(stream)
        self.book.asked += 1
        call = self.book.calls.get(request.function_call_id)
        if call is None:
            raise GRPCError(Status.NOT_FOUND, "no such call")
        deadline = time.monotonic() + request.timeout
        while (result := self._result(call)) is None and time.monotonic() < deadline:
            await asyncio.sleep(WAIT_SECONDS)
        answer = api_pb2.FunctionGetOutputsResponse(last_entry_id="0-0")
        if result is not None:
            output = answer.outputs.add(idx=0, data_format=call.data_format)
            output.result.CopyFrom(result)
        elif call.scenario is not Scenario.EXPIRED:
            answer.num_unfinished_inputs = 1
        await stream.send_message(answer)

    def _result(self, call: PeerCall) -> api_pb2.GenericResult | None:
        over = time.monotonic() >= call.ends_at and not call.runs
        if call.result is None and over and call.scenario not in ENDLESS_SCENARIOS:
            call.result = ended(call.scenario, call.function)
            if call.scenario in PICKLED_SCENARIOS:
                call.data_format = api_pb2.DATA_FORMAT_PICKLE
        return call.result

    async def FunctionCallCancel(self, stream: Any) -> None:
        request = await self._received(stream)
        call = self.book.calls.get(request.function_call_id)
        if call is None:
            raise GRPCError(Status.NOT_FOUND, "no such call")
        if call.refuses_cancel:
            raise GRPCError(Status.FAILED_PRECONDITION, "this call cannot be cancelled")
        call.cancelled = True
        if self._result(call) is None:
            call.result = cancelled()
        if call.run is not None:
            call.run.cancel()  # one that runs already is told so when it reports
        await self._done(stream)

    async def _received(self, stream: Any) -> Any:
        """The request, unless nobody is answered at present."""
        request = await stream.recv_message()
        self.book.tokens.add(tuple(stream.metadata.get(name, "") for name in TOKEN_HEADERS))
        only = self.book.script.only
        if only in REFUSALS and only is not Scenario.FUNCTION_MISSING:
            raise refusal(only)
        if only is Scenario.FUNCTION_MISSING and isinstance(request, api_pb2.FunctionGetRequest):
            raise refusal(only)
        return request
