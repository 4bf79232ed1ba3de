"""The requests of a deploy: everything is accepted, and the functions are kept."""

from typing import Any

from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2

from tests.modal_peer.book import Book

BUILDER_VERSION = "2025.06"


class DeploymentRequests:
    """What ``modal deploy`` asks of the control plane; files and images count as known to it."""

    book: Book

    async def _done(self, stream: Any) -> None:
        await stream.send_message(Empty())

    async def AppGetByDeploymentName(self, stream: Any) -> None:
        await stream.recv_message()
        await stream.send_message(api_pb2.AppGetByDeploymentNameResponse())

    async def AppCreate(self, stream: Any) -> None:
        await stream.recv_message()
        await stream.send_message(api_pb2.AppCreateResponse(app_id="ap-peer"))

    async def AppHeartbeat(self, stream: Any) -> None:
        await stream.recv_message()
        await self._done(stream)

    async def AppClientDisconnect(self, stream: Any) -> None:
        await stream.recv_message()
        await self._done(stream)

    async def AppPublish(self, stream: Any) -> None:
        await stream.recv_message()
        await stream.send_message(api_pb2.AppPublishResponse(deployed_at=1.0))

    async def EnvironmentGetOrCreate(self, stream: Any) -> None:
        await stream.recv_message()
        settings = api_pb2.EnvironmentSettings(image_builder_version=BUILDER_VERSION)
        metadata = api_pb2.EnvironmentMetadata(name="main", settings=settings)
        await stream.send_message(
            api_pb2.EnvironmentGetOrCreateResponse(environment_id="en-peer", metadata=metadata)
        )

    async def MountBatchedCheckExistence(self, stream: Any) -> None:
        await stream.recv_message()
        await stream.send_message(api_pb2.MountBatchedCheckExistenceResponse())

    async def MountPutFile(self, stream: Any) -> None:
        await stream.recv_message()
        await stream.send_message(api_pb2.MountPutFileResponse(exists=True))

    async def MountGetOrCreate(self, stream: Any) -> None:
        request = await stream.recv_message()
        self.book.files.update(file.filename for file in request.files)
        await stream.send_message(api_pb2.MountGetOrCreateResponse(mount_id=self._new("mo")))

    async def ImageGetOrCreate(self, stream: Any) -> None:
        request = await stream.recv_message()
        image_id = self._new("im")
        self.book.images[image_id] = request.image
        result = api_pb2.GenericResult(status=api_pb2.GenericResult.GENERIC_STATUS_SUCCESS)
        metadata = api_pb2.ImageMetadata(image_builder_version=BUILDER_VERSION)
        await stream.send_message(
            api_pb2.ImageGetOrCreateResponse(image_id=image_id, result=result, metadata=metadata)
        )

    async def SecretGetOrCreate(self, stream: Any) -> None:
        request = await stream.recv_message()
        secret_id = self._new("st")
        self.book.secrets[secret_id] = request
        await stream.send_message(api_pb2.SecretGetOrCreateResponse(secret_id=secret_id))

    async def VolumeGetOrCreate(self, stream: Any) -> None:
        request = await stream.recv_message()
        await stream.send_message(
            api_pb2.VolumeGetOrCreateResponse(volume_id=f"vo-{request.deployment_name}")
        )

    async def FunctionPrecreate(self, stream: Any) -> None:
        request = await stream.recv_message()
        await stream.send_message(
            api_pb2.FunctionPrecreateResponse(
                function_id=f"fu-{request.function_name}",
                handle_metadata=_handle(request.function_name),
            )
        )

    async def FunctionCreate(self, stream: Any) -> None:
        request = await stream.recv_message()
        name = request.function.function_name
        self.book.deployed[name] = request.function
        await stream.send_message(
            api_pb2.FunctionCreateResponse(
                function_id=f"fu-{name}",
                function=request.function,
                function_data=data_of(request.function),
                handle_metadata=_handle(name),
            )
        )

    def _new(self, prefix: str) -> str:
        self.book.made += 1
        return f"{prefix}-peer{self.book.made}"


def _handle(name: str) -> api_pb2.FunctionHandleMetadata:
    return api_pb2.FunctionHandleMetadata(
        function_name=name,
        function_type=api_pb2.Function.FUNCTION_TYPE_FUNCTION,
        definition_id=f"de-{name}",
    )


def data_of(function: api_pb2.Function) -> api_pb2.FunctionData:
    """A function as answers hold it: once for each GPU that it may get."""
    ranked = api_pb2.FunctionData.RankedFunction(rank=0, function=function)
    return api_pb2.FunctionData(ranked_functions=[ranked])
