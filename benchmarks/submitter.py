"""Submit jobs for `benchmarks.ledger`: `python -m benchmarks.submitter USERS NUMBER`.

It submits through Django, as a view does after it has checked a request, or sends the same
statement by plain psycopg on a separate connection. Each order is a line of JSON, answered by one
line when it is done.
"""

import hashlib
import json
import os
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any
from unittest.mock import patch

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auteur.settings")

import django

django.setup()

import psycopg
from django.db import connection

from auteur.core.api.idempotency import IdempotentRequest
from benchmarks.stack import CLIENTS
from jobs import submission
from jobs.features.registry import features
from jobs.http.serializers import SubmittedSerializer
from jobs.http.views import ACCEPTED

FEATURE = features()["noop"]
REQUEST_HASH = hashlib.sha256(b"{}").hexdigest()


@dataclass(frozen=True)
class Order:
    """An order to submit one job after another from ``begin`` (Unix time) for some seconds."""

    way: str
    keyed: bool
    accounts: int
    begin: float
    seconds: float


def new_key(user_id: uuid.UUID) -> IdempotentRequest:
    """Return a new idempotency key."""
    return IdempotentRequest(user_id, uuid.uuid4().hex, REQUEST_HASH, SubmittedSerializer, ACCEPTED)


class ByDjango:
    """Submissions as in production."""

    def __init__(self, keyed: bool, user_id: uuid.UUID) -> None:
        self._keyed = keyed
        self._parameters = submission.validate(feature=FEATURE, user_id=user_id, data={})

    def submit(self, user_id: uuid.UUID) -> None:
        submission.submit(
            feature=FEATURE,
            user_id=user_id,
            plan=None,
            parameters=self._parameters,
            key=new_key(user_id) if self._keyed else None,
        )


class ByPsycopg:
    """Submissions by the recorded statement with new ids, prepared in the same way."""

    def __init__(self, keyed: bool, user_id: uuid.UUID) -> None:
        self._user_id = user_id
        self._key, self._job_id, sent = _listen_to_submission(keyed, user_id)
        self._statement, self._values, self._options = sent
        self._connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
        self._cursor = psycopg.RawCursor(self._connection)

    def submit(self, user_id: uuid.UUID) -> None:
        job_id, key = str(uuid.uuid4()), uuid.uuid4().hex
        values = [self._other(value, user_id, job_id, key) for value in self._values]
        row = self._cursor.execute(self._statement, values, **self._options).fetchone()
        if row is None or not all(row):
            raise RuntimeError(f"the statement returned {row}")

    def _other(self, value: Any, user_id: uuid.UUID, job_id: str, key: str) -> Any:
        if value == self._user_id:
            return user_id
        if isinstance(value, str):
            return value.replace(self._job_id, job_id).replace(self._key, key)
        return value


def _listen_to_submission(
    keyed: bool, user_id: uuid.UUID
) -> tuple[str, str, tuple[Any, Sequence[Any], dict[str, Any]]]:
    """Submit a job; return its key, its id, and the statement that was sent."""
    heard = []
    execute = psycopg.RawCursor.execute

    def listen(cursor: Any, statement: Any, values: Any = None, **options: Any) -> Any:
        heard.append((statement, values, options))
        return execute(cursor, statement, values, **options)

    key = new_key(user_id)
    parameters = submission.validate(feature=FEATURE, user_id=user_id, data={})
    connection.ensure_connection()  # which says more
    with patch.object(psycopg.RawCursor, "execute", listen):
        submitted = submission.submit(
            feature=FEATURE,
            user_id=user_id,
            plan=None,
            parameters=parameters,
            key=key if keyed else None,
        )
    (sent,) = heard
    return key.key, str(submitted.job_id), sent


Way = ByDjango | ByPsycopg
WAYS: dict[str, type[Way]] = {"django": ByDjango, "psycopg": ByPsycopg}


def carry_out(order: Order, way: Way, users: Iterator[uuid.UUID]) -> float:
    """Submit jobs as ordered; return the jobs per second."""
    time.sleep(max(0.0, order.begin - time.time()))
    started = time.perf_counter()
    count = 0
    while (took := time.perf_counter() - started) < order.seconds:
        way.submit(next(users))
        count += 1
    return count / took


def main() -> None:
    file, number = sys.argv[1:]
    everyone = [uuid.UUID(line) for line in Path(file).read_text().split()]
    ways = {
        (name, keyed): way(keyed, everyone[0])
        for name, way in WAYS.items()
        for keyed in (True, False)
    }
    print("ready", flush=True)
    for line in sys.stdin:
        order = Order(**json.loads(line))
        users = everyone[: order.accounts]
        first = len(users) * int(number) // CLIENTS
        turns = cycle(users[first:] + users[:first])
        print(carry_out(order, ways[order.way, order.keyed], turns), flush=True)


if __name__ == "__main__":
    main()
