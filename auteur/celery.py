"""The Celery application. Its options are in ``celeryconfig.py``, its tasks in the apps."""

import os
from typing import Any

from amqp.exceptions import AMQPError
from celery import Celery
from celery.app import amqp
from kombu import Connection, Producer, Queue
from kombu.exceptions import OperationalError

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auteur.settings")

MAX_PAUSE_SECONDS = 2
CONSUMER_TIMEOUT_MS = 24 * 3600 * 1000
"""By default RabbitMQ closes the channel of a consumer that has not acknowledged a message for half
an hour (since 3.12 the limit can be set for each consumer). A call may take longer."""


class PromptConnection(Connection):
    """A connection that reconnects every two seconds. kombu's pauses grow to thirty seconds."""

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Any:
        """Connect as kombu does, with shorter pauses."""
        return super().ensure_connection(*args, **{"interval_max": MAX_PAUSE_SECONDS} | kwargs)


class CarefulProducer(Producer):
    """A producer that drops a connection that has failed.

    A late confirmation would otherwise be mistaken for that of the next message.
    """

    def publish(self, *args: Any, **kwargs: Any) -> Any:
        """Publish as kombu does. Drop the connection if that fails."""
        try:
            return super().publish(*args, **kwargs)
        except (OSError, AMQPError, OperationalError):
            if connection := self.__connection__:
                connection.collect()
            raise


class Queues(amqp.Queues):
    """Queues by name, created when they are first used."""

    def new_missing(self, name: str) -> Queue:
        """Create a queue as Celery does, with ``CONSUMER_TIMEOUT_MS``."""
        queue = super().new_missing(name)
        if queue.queue_arguments:
            queue.consumer_arguments = {"x-consumer-timeout": CONSUMER_TIMEOUT_MS}
        return queue


class PromptAMQP(amqp.AMQP):
    """Celery's AMQP layer with our connections, producers and queues."""

    Connection = PromptConnection
    Producer = CarefulProducer
    queues_cls = Queues
    argsrepr_maxsize = 4096  # Flower searches this text; it holds all ids of the largest message.


app = Celery("auteur", amqp=PromptAMQP)
app.config_from_object("celeryconfig")
app.autodiscover_tasks()
