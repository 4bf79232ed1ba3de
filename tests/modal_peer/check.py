"""Deploy the Modal app to a peer, and compare what arrives with the contracts.

``python -m tests.modal_peer.check`` prints each difference and exits non-zero if there is one.
"""

import os
import sys
from collections.abc import Iterator

import modal
from modal_proto import api_pb2

from gpu_tasks.runtime import overrides
from gpu_tasks.runtime.contract import Contract, GpuClass, get_rented_limit
from gpu_tasks.runtime.engine import contracts
from gpu_tasks.runtime.weights import BY_BRANCH, parse_pin
from tests.modal_peer.book import Book
from tests.modal_peer.serving import serving

SIGNATURE = ["payload", "engine", "key"]
OTHERS = {"download_models"}


def deployed() -> Book:
    """What a control plane knows after a deploy."""
    from gpu_tasks.runtime import modal_app

    with serving() as peer:
        os.environ["MODAL_SERVER_URL"] = peer.url
        client = modal.Client.from_credentials("ak-check", "as-check")
        modal_app.app.deploy(client=client)
        client.close()
        return peer.book


def differences(book: Book) -> Iterator[str]:
    """Each way in which what was deployed is not what the contracts say."""
    for name in sorted(set(contracts()) ^ (set(book.deployed) - OTHERS)):
        yield f"{name}: {'not deployed' if name in contracts() else 'without a contract'}"
    for name in book.deployed:
        if (handed_on := _handed_on(book.deployed[name], book)) != overrides.list_variables():
            yield f"{name}: what is set is {handed_on!r}, not {overrides.list_variables()!r}"
    for name, contract in contracts().items():
        if name in book.deployed:
            function = book.deployed[name]
            for what, expected, results in _compared(contract, function, book):
                if expected != results:
                    yield f"{name}: {what} is {results!r}, not {expected!r}"


def _compared(
    contract: Contract, function: api_pb2.Function, book: Book
) -> Iterator[tuple[str, object, object]]:
    gpu = function.resources.gpu_config
    on_cpu = contract.gpu is GpuClass.CPU
    yield "signature", SIGNATURE, [argument.name for argument in function.function_schema.arguments]
    yield "module", "gpu_tasks.runtime.modal_app", function.module_name
    yield "GPU", ("", 0) if on_cpu else (contract.gpu.modal_type, 1), (gpu.gpu_type, gpu.count)
    reserved = (function.resources.milli_cpu, function.resources.memory_mb)
    yield "reserved CPU and memory", (int(contract.cpu * 1000), contract.memory_mb), reserved
    yield "time limit", contract.time_limit_seconds, function.timeout_secs
    yield "retries", 0, function.retry_policy.retries
    ceiling = function.autoscaler_settings.max_containers
    yield "containers", contract.at_once or get_rented_limit(contract.gpu) or 0, ceiling
    yield "memory snapshot", contract.snapshot, function.checkpointing_enabled
    (mount,) = function.volume_mounts
    yield "volume", ("/models", True), (mount.mount_path, mount.read_only)
    keys = {key for secret in function.secret_ids for key in book.secrets[secret].required_keys}
    yield "secrets", set(), keys
    yield "formats of results", [api_pb2.DATA_FORMAT_CBOR], [*function.supported_output_formats]
    lock = f"{contract.image.value}.txt"
    commands = " ".join(_commands(book, function.image_id))
    yield "image", True, lock in commands
    for model in set(contract.models.values()) - BY_BRANCH:
        yield f"revision of {model}", 40, len(parse_pin(model)[1])


def _handed_on(function: api_pb2.Function, book: Book) -> dict[str, str]:
    """What of our settings its containers will have."""
    values = {
        name: value
        for secret in function.secret_ids
        for name, value in book.secrets[secret].env_dict.items()
    }
    return {name: values[name] for name in overrides.VARIABLES if name in values}


def _commands(book: Book, image_id: str) -> Iterator[str]:
    image = book.images[image_id]
    yield from image.dockerfile_commands
    for base in image.base_images:
        yield from _commands(book, base.image_id)


def main() -> int:
    book = deployed()
    results = list(differences(book))
    for line in results:
        print(line)  # noqa: T201
    if not results:
        names = ", ".join(sorted(contracts()))
        print(f"The Modal app has what the contracts say: {names}.")  # noqa: T201
        for name, value in overrides.list_variables().items():
            print(f"Set beside them: {name}={value}")  # noqa: T201
    return 1 if results else 0


if __name__ == "__main__":
    sys.exit(main())
