"""Execution of a request with an `Idempotency-Key` only once, and repetition of its response.

The key's row is written first, in the transaction that does the work, and gets the response before
that transaction commits. A second request with the same key waits at the unique index meanwhile. If
the work fails, the key is rolled back with it, so only committed responses are stored. Decision 6
(docs/decisions/0006) describes the order of locks.
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

from auteur.core import encryption
from auteur.core.api.cached_serializers import serialize
from auteur.core.api.models import IdempotencyKey
from auteur.core.api.problems import Problem
from auteur.core.api.requests import user_id
from auteur.core.api.secret_fields import OneTimeSecret, SealedSecret, has_secret, redact
from auteur.core.encryption import UnreadableSecretError

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
LIFETIME = timedelta(hours=24)
"""How long a response is repeated. After that the key counts as a new one."""
MAX_LENGTH = 255
MAX_DELETED_ROWS = 1000
"""How many rows one statement of `delete_expired_keys` deletes. It is its own transaction."""
PURPOSE = "idempotency"
"""The purpose under which responses with secrets are encrypted."""
MAX_DELETION_SECONDS = 2.0
"""The time after which `delete_expired_keys` leaves the remaining rows to its next call."""

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

DELETE_EXPIRED = """
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
        f"within {LIFETIME // timedelta(hours=1)} hours is not executed again, but gets the first "
        f"answer. 1 to {MAX_LENGTH} visible ASCII characters.",
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
    """The header `Idempotency-Key` has an invalid value."""

    default_code = "invalid_idempotency_key"
    default_detail = f"{HEADER} must be 1 to {MAX_LENGTH} visible ASCII characters, without spaces."


class IdempotencyConflictProblem(Problem):
    """The key was used for another request."""

    status_code = 409
    default_code = "idempotency_conflict"
    default_detail = f"This {HEADER} was used with a different request. Use a new key."


class KeyTakenProblem(Problem):
    """The same request has just been executed elsewhere."""

    status_code = 409
    default_code = "idempotency_key_taken"
    default_detail = "The same request has just been executed. Send it again to get its answer."


PROBLEMS = (InvalidIdempotencyKeyProblem, IdempotencyConflictProblem, KeyTakenProblem)
"""Problems that a request with the header can get."""


def build_claim_cte(*, into: str, when: str) -> str:
    """Return a CTE ``into`` that inserts a key, if it is new or expired.

    `build_claim_parameters` returns its parameters. It waits for another transaction that is
    inserting the same key. It returns no row if the key
    exists or there is none. ``when`` is an SQL condition without which the key is not inserted.
    """
    return _CLAIM.format(into=into, when=when)


CLAIM_ALONE = f"WITH {build_claim_cte(into='key', when='true')} SELECT EXISTS (TABLE key)"


@dataclass(frozen=True)
class IdempotentRequest:
    """A request with an idempotency key, and the serializer and status of its response."""

    user_id: UUID
    key: str
    request_hash: str
    serializer: type[serializers.Serializer[Any]] | None = None
    status: int | None = None


def build_claim_parameters(
    *, user_id: UUID, key: IdempotentRequest | None, result: Any = None
) -> dict[str, Any]:
    """Return the parameters of `build_claim_cte`, with the response if it is known beforehand."""
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
    """Decorate a view whose domain function inserts the key in its own statement.

    That statement contains `build_claim_cte`. The view gets a ``key`` (None without the header). It
    answers with the result, serialized by ``serializer``, and ``status``.
    """

    def decorate(post: View) -> Method:
        @wraps(post)
        def method(view: Any, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
            key = _parse_key(request, serializer=serializer, status=status)
            if key is None:
                return post(view, request, *args, key=None, **kwargs)
            return _run_once(key, lambda: post(view, request, *args, key=key, **kwargs))

        return _document_headers(method)

    return decorate


def idempotent(post: View) -> Method:
    """Decorate any other view that creates something: run it in one transaction with its key.

    Secrets of its response are stored as `auteur.core.api.secret_fields` describes.
    """

    @wraps(post)
    def method(view: Any, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        key = _parse_key(request)
        if key is None:
            return post(view, request, *args, **kwargs)
        work = partial(post, view, request, *args, **kwargs)
        return _run_once(key, lambda: _record_response(key, work))

    return _document_headers(method)


def delete_expired_keys() -> int:
    """Delete expired keys in batches, for `MAX_DELETION_SECONDS` at most. Return the number.

    Deletion must keep up with the fastest submission, or the table grows without limit.
    """
    values: dict[str, Any] = {"key_lifetime": LIFETIME, "at_once": MAX_DELETED_ROWS}
    deadline = time.monotonic() + MAX_DELETION_SECONDS
    total = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(DELETE_EXPIRED, values)
            deleted = cursor.rowcount
        total += deleted
        if deleted < MAX_DELETED_ROWS or time.monotonic() >= deadline:
            return total


def _parse_key(
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
    canonical = "\n".join((str(request.method), request.get_full_path(), body))
    request_hash = hashlib.sha256(canonical.encode()).hexdigest()
    return IdempotentRequest(user_id(request), key, request_hash, serializer, status)


def _run_once(key: IdempotentRequest, work: Callable[[], Response]) -> HttpResponseBase:
    """Do the work and return its response. If it raises, return the stored response, if any.

    The work comes first so that a new key costs no look-up. Any problem can hide an earlier
    success, because the object of the request may have been deleted since.
    """
    try:
        response = work()
    except APIException as exc:
        earlier = _find_stored_response(key, ignore_age=isinstance(exc, KeyTakenProblem))
        if earlier is None:
            raise
        return earlier
    return _build_response(response.status_code, _render(response.data), _copy_headers(response))


def _find_stored_response(key: IdempotentRequest, *, ignore_age: bool) -> HttpResponse | None:
    rows = IdempotencyKey.objects.filter(user_id=key.user_id, key=key.key)
    # A key that blocked our insert a moment ago was alive then; its age does not matter now.
    if not ignore_age:
        rows = rows.filter(created_at__gt=Now() - LIFETIME)
    stored = rows.first()
    if stored is None:
        return None
    if stored.request_hash != key.request_hash:
        raise IdempotencyConflictProblem
    body = stored.body or ""
    if stored.sealed_body is not None:
        # If the encryption key is gone, the response is repeated without its secrets.
        with suppress(UnreadableSecretError):
            body = encryption.decrypt(stored.sealed_body, purpose=PURPOSE).decode()
    return _build_response(stored.status or 200, body, stored.headers | {REPLAYED: "true"})


def _record_response(key: IdempotentRequest, work: Callable[[], Response]) -> Response:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(CLAIM_ALONE, build_claim_parameters(user_id=key.user_id, key=key))
            (claimed,) = cursor.fetchone()
        if not claimed:
            raise KeyTakenProblem
        response = work()
        body, sealed_body = _render(response.data), None
        if has_secret(response.data):
            repeatable = _render(redact(response.data, OneTimeSecret))
            body = _render(redact(response.data, OneTimeSecret, SealedSecret))
            if repeatable != body:
                sealed_body = encryption.encrypt(repeatable.encode(), purpose=PURPOSE)
        IdempotencyKey.objects.filter(user_id=key.user_id, key=key.key).update(
            status=response.status_code,
            headers=_copy_headers(response),
            body=body,
            sealed_body=sealed_body,
        )
    return response


def _copy_headers(response: Response) -> dict[str, str]:
    # The content type is not known before the response is rendered.
    return {name: value for name, value in response.headers.items() if name != "Content-Type"}


def _render(data: Any) -> str:
    return bytes(JSONRenderer().render(data)).decode()


def _build_response(status: int, body: str, headers: dict[str, str]) -> HttpResponse:
    # `Accept` is ignored here, so that a response and its repetition are the same bytes.
    headers = {"Content-Type": JSONRenderer.media_type, **headers}
    return HttpResponse(body.encode(), status=status, headers=headers)


def _document_headers(method: Method) -> Method:
    documented: Method = extend_schema(parameters=list(DOCUMENTED))(method)
    return documented
