"""The Celery application; its options live in ``celeryconfig.py``, its tasks in the apps."""

import os
from typing import Any

from celery import Celery
from celery.app.amqp import AMQP
from kombu import Connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auteur.settings")

MAX_PAUSE_SECONDS = 2


class PromptConnection(Connection):
    """Tries to come back every two seconds: kombu's pauses grow to thirty, for which all waits."""

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Any:
        """As kombu's, with shorter pauses."""
        return super().ensure_connection(*args, **{"interval_max": MAX_PAUSE_SECONDS} | kwargs)


class PromptAMQP(AMQP):
    """Celery's ways to the broker, by such connections."""

    Connection = PromptConnection
    argsrepr_maxsize = 4096  # what Flower searches: all ids of the largest message


app = Celery("auteur", amqp=PromptAMQP)
app.config_from_object("celeryconfig")
app.autodiscover_tasks()
