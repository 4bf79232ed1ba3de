"""The Celery application: how it comes back to a broker that was away."""

import pytest
from kombu.exceptions import OperationalError

from auteur.celery import MAX_PAUSE_SECONDS, app

NOBODY = "redis://127.0.0.1:1/0"
TRIES = 2


def test_pauses_before_another_try_do_not_grow():
    pauses = []
    with app.connection_for_read(NOBODY) as connection, pytest.raises(OperationalError):
        connection.ensure_connection(lambda exc, pause: pauses.append(pause), max_retries=TRIES)
    assert pauses == [MAX_PAUSE_SECONDS] * TRIES
