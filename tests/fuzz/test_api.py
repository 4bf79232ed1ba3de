"""Requests that Schemathesis makes of our schema: no answer is of 5xx, none outside the schema.

By hundreds in the suite, always the same; `make fuzz` makes as many as it is told, of a seed that
it prints. What answers tell of ids is asked for by later requests.
"""

import contextlib
import os
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from accounts import closing
from accounts.models import User
from auteur.wsgi import application
from media.models import MediaFile, MediaType
from media.storage import object_storage
from tests.accounts.billing.conftest import world  # noqa: F401  # a fixture
from tests.conftest import bearer

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "600"))
SEED = int(os.environ.get("FUZZ_SEED", "12"))
CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]
KNOWN = 0.8
"""The share of ids in addresses that are of something."""
ROUNDS = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
"""Through all operations: what the schema allows, and on what that has left, what it does not."""


@pytest.fixture(autouse=True)
def _connections_stay_open() -> Iterator[None]:
    """As Django's own client does: one connection for all, that of the test."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


class Known:
    """Ids that there are, by the name that addresses have for them."""

    def __init__(self, **first: Any) -> None:
        self.ids: dict[str, list[str]] = defaultdict(list)
        for name, value in first.items():
            self.ids[name].append(str(value))

    def put_into(self, case: Any, dice: random.Random) -> None:
        """Most ids of the address are replaced by some that there are."""
        for name in case.path_parameters or {}:
            if self.ids[name] and dice.random() < KNOWN:
                case.path_parameters[name] = dice.choice(self.ids[name][-5:])

    def learn(self, path: str, body: Any) -> None:
        """Keep what an answer tells."""
        if not isinstance(body, dict):
            return
        own = {"/projects": "project_id", "/jobs": "job_id", "/media": "media_id"}.get(path)
        for name, value in body.items():
            if name in ("project_id", "media_id", "job_id", "voice_id") and value:
                self.ids[name].append(str(value))
            elif name == "id" and own:
                self.ids[own].append(str(value))


def ask(cases: Any, path: str, known: Known, token: str, count: int, number: int) -> int:
    """So many requests; how many were made, none where the schema allows all there is."""
    created = 0

    @seed(SEED * 1000 + number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, dice=st.randoms(use_true_random=False))
    def one(case: Any, dice: random.Random) -> None:
        nonlocal created
        created += 1
        known.put_into(case, dice)
        if "If-Match" in (case.headers or {}) and dice.random() < KNOWN:
            case.headers["If-Match"] = "*"
        answer = case.call(headers={"Authorization": f"Bearer {token}"})
        case.validate_response(answer, checks=CHECKS)
        if answer.status_code < 300 and "json" in answer.headers.get("content-type", [""])[0]:
            known.learn(path, answer.json())

    with contextlib.suppress(Unsatisfiable):
        one()
    return created


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("world")
@pytest.mark.timeout(0 if REQUESTS > 10_000 else 300)
def test_every_answer_is_of_the_schema(
    make_user: Callable[..., User], make_media: Callable[..., MediaFile], settings: Any
) -> None:
    settings.RATE_LIMIT = "1000000/minute"
    user = make_user(balance=1_000_000)
    film = make_media(user, type=MediaType.VIDEO, duration_ms=60_000)
    object_storage().write(film.r2_key, b"no film", film.mime_type)
    known_numbers = Known(media_id=film.pk, segment_id="s1")
    operations = [
        undo_operation.ok()
        for undo_operation in schemathesis.openapi.from_wsgi(
            "/schema", application
        ).get_all_operations()
    ]
    # What deletes comes last, what makes first.
    operations.sort(key=lambda each: (each.method == "delete", each.method != "post", each.path))
    each = -(-REQUESTS // (len(operations) * len(ROUNDS)))
    created = 0
    for turn, mode in enumerate(ROUNDS):
        for number, operation in enumerate(operations):
            token = bearer(user.pk, user.email)
            cases = operation.as_strategy(generation_mode=mode)
            created += ask(cases, operation.path, known_numbers, token, each, turn * 500 + number)
            closing.restore_account(user=user)  # else all that follows is refused
    assert created >= REQUESTS / 2
