"""`Idempotency-Key`: a request that is sent twice is carried out once and answered alike.

The key's row is written first, in the transaction that does the work, and has the response before
that transaction commits. A second request with the same key waits at the unique index meanwhile;
where the work fails, the key is rolled back with it, so only committed responses are stored. (Order
of locks: docs/decisions/0006.)
"""

import hashlib
import json
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial, wraps
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models.functions import Now
from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import APIException
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from auteur import encryption
from auteur.api.cached_serializers import serialize
from auteur.api.models import IdempotencyKey
from auteur.api.problems import Problem
from auteur.api.requests import user_id
from auteur.api.secret_fields import OneTimeSecret, SealedSecret, has_secret, redact
from auteur.encryption import UnreadableSecretError

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
LIFETIME = timedelta(hours=24)
"""How long an answer is given again; after that the key is a new one."""
MAX_LENGTH = 255
FORGET_AT_ONCE = 1000
"""Rows of one statement of `delete_expired_keys`, which is its own transaction."""
PURPOSE = "idempotency"
"""Of the encryption of answers with secrets."""
FORGET_SECONDS = 2.0
"""After which `delete_expired_keys` leaves the rest to its next call."""

_CLAIM = """
{into} AS (
    INSERT INTO idempotency_keys AS stored (user_id, key, request_hash, status, headers, body,
                                          created_at)
    SELECT %(user_id)s::uuid, %(key)s::text, %(request_hash)s::text, %(key_status)s::smallint,
           '{{}}'::jsonb, %(key_body)s::text, now()
    WHERE %(key)s::text IS NOT NULL AND {when}
    ON CONFLICT (user_id, key) DO UPDATE
    SET request_hash = excluded.request_hash, status = excluded.status,
        headers = excluded.headers, body = excluded.body, sealed_body = NULL,
        created_at = excluded.created_at
    WHERE stored.created_at <= now() - %(key_lifetime)s::interval
    RETURNING id
)"""

FORGET = """
DELETE FROM idempotency_keys WHERE id IN (
    SELECT id FROM idempotency_keys WHERE created_at <= now() - %(key_lifetime)s
    ORDER BY created_at LIMIT %(at_once)s FOR UPDATE SKIP LOCKED
)"""

DOCUMENTED = (
    OpenApiParameter(
        HEADER,
        str,
        OpenApiParameter.HEADER,
        description="A name for this request, such as a UUID. A repetition with the same body "
        f"within {LIFETIME // timedelta(hours=1)} hours is not carried out again; it gets the "
        f"first answer. 1 to {MAX_LENGTH} visible ASCII characters.",
    ),
    OpenApiParameter(
        REPLAYED,
        str,
        OpenApiParameter.HEADER,
        response=[200, 201, 202],
        enum=["true"],
        description="Present if the answer is a repeated one.",
    ),
)

_FORMAT = re.compile(rf"[\x21-\x7e]{{1,{MAX_LENGTH}}}")

View = Callable[..., Response]
Method = Callable[..., HttpResponseBase]


class InvalidIdempotencyKeyProblem(Problem):
    """The header cannot be a key."""

    default_code = "invalid_idempotency_key"
    default_detail = f"{HEADER} must be 1 to {MAX_LENGTH} visible ASCII characters, without spaces."


class IdempotencyConflictProblem(Problem):
    """The key has been used for another request."""

    status_code = 409
    default_code = "idempotency_conflict"
    default_detail = f"This {HEADER} was used with a different request. Use a new key."


class KeyTakenProblem(Problem):
    """Somebody else has carried the request out; its answer is looked up and given again."""

    status_code = 409
    default_code = "idempotency_key_taken"
    default_detail = "The same request has just been carried out. Send it again to get its answer."


PROBLEMS = (InvalidIdempotencyKeyProblem, IdempotencyConflictProblem, KeyTakenProblem)
"""What a request with the header may be answered."""


def claim_cte(*, into: str, when: str) -> str:
    """Return a CTE ``into`` that takes the key of `claim_parameters`, if it is new or has expired.

    It waits for whoever is taking it now, and is empty where the key is taken or there is none.
    ``when`` is what must hold before it is tried.
    """
    return _CLAIM.format(into=into, when=when)


CLAIM_ALONE = f"WITH {claim_cte(into='key', when='true')} SELECT EXISTS (TABLE key)"


@dataclass(frozen=True)
class IdempotentRequest:
    """A request that its client has named, and how what comes of it will be answered."""

    user_id: UUID
    key: str
    request_hash: str
    serializer: type[serializers.Serializer[Any]] | None = None
    status: int | None = None


def claim_parameters(
    *, user_id: UUID, key: IdempotentRequest | None, result: Any = None
) -> dict[str, Any]:
    """Of `claim_cte`, with the answer where it is known beforehand."""
    body = _render(serialize(key.serializer, result)) if key and key.serializer else None
    return {
        "user_id": user_id,
        "key": key and key.key,
        "request_hash": key and key.request_hash,
        "key_status": key and key.status,
        "key_body": body,
        "key_lifetime": LIFETIME,
    }


def idempotent_in_statement(
    *, serializer: type[serializers.Serializer[Any]], status: int
) -> Callable[[View], Method]:
    """For a view whose domain function takes the key in its own statement (`claim_cte`).

    The view gets a ``key`` (None without the header), and answers ``answer(result)``, ``status``.
    """

    def decorate(post: View) -> Method:
        @wraps(post)
        def method(view: Any, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
            key = _key_of(request, serializer=serializer, status=status)
            if key is None:
                return post(view, request, *args, key=None, **kwargs)
            return _once(key, lambda: post(view, request, *args, key=key, **kwargs))

        return _describe(method)

    return decorate


def idempotent(post: View) -> Method:
    """Run any other view that creates something in one transaction with its key.

    Secrets of its answer are stored as `auteur.api.secret_fields` says.
    """

    @wraps(post)
    def method(view: Any, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        key = _key_of(request)
        if key is None:
            return post(view, request, *args, **kwargs)
        work = partial(post, view, request, *args, **kwargs)
        return _once(key, lambda: _record(key, work))

    return _describe(method)


def delete_expired_keys() -> int:
    """Delete expired keys in batches, for `FORGET_SECONDS` at most. Return how many were deleted.

    Deleting must keep up with the fastest submission, or the table grows without end.
    """
    values: dict[str, Any] = {"key_lifetime": LIFETIME, "at_once": FORGET_AT_ONCE}
    deadline = time.monotonic() + FORGET_SECONDS
    total = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(FORGET, values)
            deleted = cursor.rowcount
        total += deleted
        if deleted < FORGET_AT_ONCE or time.monotonic() >= deadline:
            return total


def _key_of(
    request: Request,
    *,
    serializer: type[serializers.Serializer[Any]] | None = None,
    status: int | None = None,
) -> IdempotentRequest | None:
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not _FORMAT.fullmatch(key):
        raise InvalidIdempotencyKeyProblem
    body = json.dumps(request.data, sort_keys=True, separators=(",", ":"))
    asked = "\n".join((str(request.method), request.get_full_path(), body))
    request_hash = hashlib.sha256(asked.encode()).hexdigest()
    return IdempotentRequest(user_id(request), key, request_hash, serializer, status)


def _once(key: IdempotentRequest, work: Callable[[], Response]) -> HttpResponseBase:
    """Do the work; where that cannot be, perhaps because it has been done, look for its answer.

    In this order a new key costs no look-up. What an answer was about may be gone by now, so it
    is looked for after any problem.
    """
    try:
        done = work()
    except APIException as exc:
        earlier = _earlier_response(key, taken=isinstance(exc, KeyTakenProblem))
        if earlier is None:
            raise
        return earlier
    return _response(done.status_code, _render(done.data), _headers(done))


def _earlier_response(key: IdempotentRequest, *, taken: bool) -> HttpResponse | None:
    rows = IdempotencyKey.objects.filter(user_id=key.user_id, key=key.key)
    if not taken:  # what was alive a moment ago, when we were refused, is not asked for its age
        rows = rows.filter(created_at__gt=Now() - LIFETIME)
    stored = rows.first()
    if stored is None:
        return None
    if stored.request_hash != key.request_hash:
        raise IdempotencyConflictProblem
    body = stored.body or ""
    if stored.sealed_body is not None:
        with suppress(UnreadableSecretError):  # its key is gone: then without its secrets
            body = encryption.decrypt(stored.sealed_body, purpose=PURPOSE).decode()
    return _response(stored.status or 200, body, stored.headers | {REPLAYED: "true"})


def _record(key: IdempotentRequest, work: Callable[[], Response]) -> Response:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(CLAIM_ALONE, claim_parameters(user_id=key.user_id, key=key))
            (claimed,) = cursor.fetchone()
        if not claimed:
            raise KeyTakenProblem
        done = work()
        body, sealed_body = _render(done.data), None
        if has_secret(done.data):
            again = _render(redact(done.data, OneTimeSecret))
            body = _render(redact(done.data, OneTimeSecret, SealedSecret))
            if again != body:
                sealed_body = encryption.encrypt(again.encode(), purpose=PURPOSE)
        IdempotencyKey.objects.filter(user_id=key.user_id, key=key.key).update(
            status=done.status_code, headers=_headers(done), body=body, sealed_body=sealed_body
        )
    return done


def _headers(done: Response) -> dict[str, str]:
    """What the view has set; the type of the content is not known before it is rendered."""
    return {name: value for name, value in done.headers.items() if name != "Content-Type"}


def _render(data: Any) -> str:
    return bytes(JSONRenderer().render(data)).decode()


def _response(status: int, body: str, headers: dict[str, str]) -> HttpResponse:
    # Not rendered again by the client's `Accept`: an answer and its repetition are the same bytes.
    headers = {"Content-Type": JSONRenderer.media_type, **headers}
    return HttpResponse(body.encode(), status=status, headers=headers)


def _describe(method: Method) -> Method:
    described: Method = extend_schema(parameters=list(DOCUMENTED))(method)
    return described
