"""The Celery application; its options live in ``celeryconfig.py``, its tasks in the apps."""

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
"""RabbitMQ takes a worker that has not acknowledged a message for dead after half an hour, unless
told otherwise (since 3.12, for each consumer); a call may take longer than that."""


class PromptConnection(Connection):
    """Tries to come back every two seconds: kombu's pauses grow to thirty, for which all waits."""

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Any:
        """As kombu's, with shorter pauses."""
        return super().ensure_connection(*args, **{"interval_max": MAX_PAUSE_SECONDS} | kwargs)


class CarefulProducer(Producer):
    """Keeps no connection that has failed.

    A confirmation that comes after its time-out would be taken for that of the next message.
    """

    def publish(self, *args: Any, **kwargs: Any) -> Any:
        """As kombu's."""
        try:
            return super().publish(*args, **kwargs)
        except (OSError, AMQPError, OperationalError):
            if connection := self.__connection__:
                connection.collect()
            raise


class Queues(amqp.Queues):
    """Queues by name, made when they are first asked for."""

    def new_missing(self, name: str) -> Queue:
        """As Celery's; a message may be worked on for longer than RabbitMQ would wait."""
        queue = super().new_missing(name)
        if queue.queue_arguments:
            queue.consumer_arguments = {"x-consumer-timeout": CONSUMER_TIMEOUT_MS}
        return queue


class PromptAMQP(amqp.AMQP):
    """Celery's ways to the broker, by such connections and queues."""

    Connection = PromptConnection
    Producer = CarefulProducer
    queues_cls = Queues
    argsrepr_maxsize = 4096  # what Flower searches: all ids of the largest message


app = Celery("auteur", amqp=PromptAMQP)
app.config_from_object("celeryconfig")
app.autodiscover_tasks()
