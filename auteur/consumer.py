"""The worker's consumer, which stores unreadable messages as dead letters.

Celery drops a message of an unknown task, and ends the worker at one whose body or headers it does
not expect. kombu raises at an element of a Redis queue that is not JSON, before any of its hooks.
So this module uses redis-py's hook: a callback for answers to BRPOP, which sees each element before
kombu.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any
from uuid import UUID

from celery import bootsteps
from celery.worker import consumer
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads

from auteur import dead_letters
from auteur.dead_letters import Defect

logger = logging.getLogger(__name__)


class ReadableElements(bootsteps.StartStopStep):
    """A worker step that skips a Redis queue's elements that are no Celery messages.

    It starts for each connection.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, parent: Any) -> None:
        """Install the callback at the client by which the worker waits for messages."""
        if parent.connection.transport.driver_type == "redis":
            channel = parent.task_consumer.channel
            parse = channel.client.response_callbacks.get("BRPOP")
            channel.client.set_response_callback("BRPOP", _build_callback(channel, parse))


def _build_callback(channel: Any, parse: Callable[..., Any] | None) -> Callable[..., Any]:
    """Return a callback for BRPOP's answers that returns None for an unreadable element."""

    def read(response: Any, **options: Any) -> Any:
        answer = parse(response, **options) if parse else response
        if not answer:
            return answer
        queue, element = answer
        try:
            channel.Message(loads(bytes_to_str(element)), channel=channel)
        except Exception:  # noqa: BLE001 - kombu would raise the same error
            name = bytes_to_str(queue).rsplit(channel.sep, 1)[0]
            content = element if isinstance(element, bytes) else str(element).encode()
            dead_letters.store_dead_letter(queue=name, defect=Defect.NOT_A_MESSAGE, content=content)
            return None
        return answer

    return read


class Consumer(consumer.Consumer):
    """A Celery consumer that stores unreadable messages and has no delayed delivery.

    With RabbitMQ, delayed delivery (tasks with a countdown) would need 28 queues.
    """

    # Celery's class has these attributes, but its stub does not.
    connection_errors: tuple[type[Exception], ...]
    channel_errors: tuple[type[Exception], ...]
    strategies: Mapping[str, Any]

    class Blueprint(consumer.Consumer.Blueprint):  # type: ignore[valid-type,misc]  # says the stub
        """The steps by which the consumer starts."""

        default_steps = [
            *(
                step
                for step in consumer.Consumer.Blueprint.default_steps
                if not step.endswith(":DelayedDelivery")
            ),
            ReadableElements,
        ]

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        """Return the handler of messages: Celery's own for those that can be read."""
        handle = super().create_task_handler(*args, **kwargs)
        outages = (*self.connection_errors, *self.channel_errors)

        def receive(message: Any) -> None:
            defect = find_defect(message, self.strategies)
            if defect is None:
                try:
                    handle(message)
                except outages:
                    raise
                except Exception:
                    logger.exception("Celery cannot handle a message")
                    defect = Defect.REFUSED
            if defect is not None:
                queue = str((message.delivery_info or {}).get("routing_key", ""))
                dead_letters.store_dead_letter(
                    queue=queue, defect=defect, content=_dump_message(message)
                )
                if not message.acknowledged:
                    message.reject_log_error(logger, outages)

        return receive


def find_defect(message: Any, tasks: Collection[str]) -> Defect | None:
    """Return why a message cannot be one of our tasks, or None if it can."""
    headers = message.headers
    name = headers.get("task") if isinstance(headers, Mapping) else None
    if not isinstance(name, str) or name not in tasks:
        return Defect.UNKNOWN_TASK
    try:
        arguments, keyword_arguments, embedded = message.payload
        is_valid = (
            isinstance(headers.get("id"), str)
            and keyword_arguments == {}
            and isinstance(embedded, Mapping)
            and _are_ids(arguments)
        )
    except Exception:  # noqa: BLE001 - decoding can raise anything
        is_valid = False
    return None if is_valid else Defect.BAD_BODY


def _are_ids(arguments: Any) -> bool:
    """Return True for arguments of our tasks: one id, or one list of ids (docs, Habits)."""
    if not isinstance(arguments, list) or len(arguments) != 1:
        return False
    ids = arguments[0] if isinstance(arguments[0], list) else arguments
    return bool(ids) and all(_is_id(value) for value in ids)


def _is_id(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(UUID(value))
    except ValueError:
        return False


def _dump_message(message: Any) -> bytes:
    body = message.body if isinstance(message.body, bytes) else str(message.body).encode()
    return f"{message.headers}\n".encode() + body
