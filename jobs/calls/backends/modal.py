"""The Modal backend: calls are function calls of the deployed app (`runtime/modal_app.py`).

Each method runs its own event loop for the calls of one batch, so any thread may use it. The client
belongs to the process that created it; a forked child creates another.
"""

import asyncio
import logging
import os
import random
import time
from collections.abc import Awaitable, Callable, Collection, Hashable, Sequence
from typing import Any, TypeVar
from uuid import UUID

import modal
from django.conf import settings

from gpu_tasks.runtime.callback import derive_attempt_key
from jobs.calls.backends.base import BackendUnavailableError, Call, CallStatus
from jobs.calls.backends.modal_outputs import get_outputs
from jobs.calls.backends.modal_statuses import (
    MISCONFIGURED,
    UNDER_WAY,
    UNREACHABLE,
    build_status_of_error,
    build_status_of_outputs,
)

logger = logging.getLogger(__name__)

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Ends = dict[Key, Value | BaseException]

AT_ONCE = 100
"""Requests in flight. More are no faster over the client's single connection."""
BATCH_SECONDS = 10.0
"""Requests unanswered after this count as unreachable; the client itself has no time limit."""
SECONDS_PER_POLL = 0.01
"""Added to the time limit for each polled call."""
POLL_SECONDS = 30.0
JITTER = 0.25
"""Calls that were started together are not polled together."""
ALARM_SECONDS = 60.0

_NO_REPLY = (*UNREACHABLE, asyncio.CancelledError)
_NOT_SET_UP = (*MISCONFIGURED, modal.exception.NotFoundError, modal.exception.InvalidError)
_REFUSED = (*_NOT_SET_UP, modal.exception.ResourceExhaustedError)
"""Errors after which a call was certainly not started. Any other error may hide a start, because
the client tries four times and reports only the last try."""


class ModalBackend:
    """The backend that runs calls on Modal, by the settings ``MODAL_*``.

    The client's own variable ``MODAL_SERVER_URL`` selects another server.
    """

    def __init__(self) -> None:
        self._clients: dict[Hashable, modal.Client] = {}
        self._functions: dict[Hashable, modal.Function[Any, Any, Any]] = {}
        self._alarmed_at: dict[str, float] = {}

    @property
    def poll_seconds(self) -> float:
        """Return the polling interval with jitter. Polling only catches what callbacks miss."""
        return POLL_SECONDS * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret

    def spawn(self, calls: Sequence[Call]) -> dict[UUID, str]:
        """Start calls; a refused call does not affect the others.

        A start without an answer may have happened. Its attempt is left out, even if it is the only
        one.
        """
        sent: set[UUID] = set()
        ends = asyncio.run(self._spawn(calls, sent))
        started = {key: end for key, end in ends.items() if isinstance(end, str)}
        is_unanswered = any(
            _is_error(ends[key]) and not isinstance(ends[key], _REFUSED) for key in sent
        )
        self._check_errors("started", ends, any_reply=bool(started) or is_unanswered)
        return started

    def poll(self, call_ids: Collection[str]) -> dict[str, CallStatus]:
        """Return the status of each call; a call without an answer counts as under way."""
        ends = asyncio.run(self._poll(call_ids))
        statuses = {key: end for key, end in ends.items() if isinstance(end, CallStatus)}
        self._check_errors("asked after", ends, any_reply=bool(statuses))
        return {call_id: statuses.get(call_id, UNDER_WAY) for call_id in call_ids}

    def stop(self, call_ids: Collection[str]) -> set[str]:
        """Cancel these calls; return those that Modal has cancelled or no longer knows."""
        ends = asyncio.run(self._stop(call_ids))
        stopped = {key for key, end in ends.items() if not _is_error(end)}
        self._check_errors("stopped", ends, any_reply=bool(stopped))
        return stopped

    async def _spawn(self, calls: Sequence[Call], sent: set[UUID]) -> Ends[UUID, str]:
        """Start the calls; ``sent`` receives the attempts whose start was requested."""
        by_attempt = {call.attempt_id: call for call in calls}
        deadline = time.monotonic() + BATCH_SECONDS

        names = {call.contract.name for call in calls}
        functions = await self._run_with_client(names, self._get_function, deadline)

        async def spawn(attempt_id: UUID) -> str:
            call = by_attempt[attempt_id]
            function = functions[call.contract.name]
            if isinstance(function, BaseException):
                raise function
            payload = call.payload.model_dump(mode="json")
            key = derive_attempt_key(secret=settings.GPU_CALLBACK_SECRET, attempt_id=attempt_id)
            sent.add(attempt_id)
            function_call = await function.spawn.aio(payload, call.engine, key.get_secret_value())
            return function_call.object_id

        ends = await _run_for_each(by_attempt, spawn, deadline)
        if any(isinstance(end, modal.exception.NotFoundError) for end in ends.values()):
            self._functions.clear()  # the app may have been deployed again
        return ends

    async def _poll(self, call_ids: Collection[str]) -> Ends[str, CallStatus]:
        deadline = time.monotonic() + BATCH_SECONDS + SECONDS_PER_POLL * len(call_ids)

        async def poll(client: modal.Client, call_id: str) -> CallStatus:
            try:
                return build_status_of_outputs(call_id, await get_outputs.aio(client, call_id))
            except modal.exception.Error as exc:
                return build_status_of_error(call_id, exc)

        return await self._run_with_client(call_ids, poll, deadline)

    async def _stop(self, call_ids: Collection[str]) -> Ends[str, None]:
        deadline = time.monotonic() + BATCH_SECONDS

        async def stop(client: modal.Client, call_id: str) -> None:
            try:
                await modal.FunctionCall.from_id(call_id, client=client).cancel.aio()
            except modal.exception.NotFoundError:
                logger.info("call %s is not known any more", call_id)

        return await self._run_with_client(call_ids, stop, deadline)

    async def _run_with_client(
        self,
        keys: Collection[str],
        work: Callable[[modal.Client, str], Awaitable[Value]],
        deadline: float,
    ) -> Ends[str, Value]:
        """Run ``work`` with the client for each key.

        If there is no client, every key gets the error.
        """
        (client,) = (await _run_for_each([""], lambda _: self._get_client(), deadline)).values()
        if isinstance(client, BaseException):
            return dict.fromkeys(keys, client)
        return await _run_for_each(keys, lambda key: work(client, key), deadline)

    async def _get_client(self) -> modal.Client:
        token = (settings.MODAL_TOKEN_ID, settings.MODAL_TOKEN_SECRET)
        if not all(token):
            raise modal.exception.AuthError("MODAL_TOKEN_ID and MODAL_TOKEN_SECRET are not set")
        key = (os.getpid(), modal.config.config["server_url"], *token)
        if key not in self._clients:
            client = await modal.Client.from_credentials.aio(*token)
            self._clients.setdefault(key, client)  # another thread may have been faster
        return self._clients[key]

    async def _get_function(self, client: modal.Client, name: str) -> modal.Function[Any, Any, Any]:
        key = (id(client), settings.MODAL_APP, settings.MODAL_ENVIRONMENT, name)
        if key not in self._functions:
            function = modal.Function.from_name(
                settings.MODAL_APP,
                name,
                environment_name=settings.MODAL_ENVIRONMENT or None,
                client=client,
            )
            await function.hydrate.aio()
            self._functions[key] = function
        return self._functions[key]

    def _check_errors(self, action: str, ends: Ends[Any, Any], *, any_reply: bool) -> None:
        """Log why calls were left out; raise if there was no reply for any call."""
        errors = [end for end in ends.values() if _is_error(end)]
        if not errors:
            return
        unexpected = [exc for exc in errors if not isinstance(exc, _NO_REPLY)]
        if unexpected:
            self._log_alarm(len(errors), action, unexpected[0])
        else:
            logger.warning(
                "Modal: %d of %d calls not %s: %s",
                len(errors),
                len(ends),
                action,
                _format_error(errors[0]),
            )
        if not any_reply:
            raise BackendUnavailableError(_format_error((unexpected or errors)[0]))

    def _log_alarm(self, count: int, action: str, exc: BaseException) -> None:
        """Log an error that needs attention, for one reason at most once a minute."""
        reason, now = type(exc).__name__, time.monotonic()
        if now - self._alarmed_at.get(reason, -ALARM_SECONDS) < ALARM_SECONDS:
            return
        self._alarmed_at[reason] = now
        problem = "is not set up as MODAL_* say" if isinstance(exc, _NOT_SET_UP) else "refuses"
        logger.error("Modal %s: %d calls not %s: %s", problem, count, action, _format_error(exc))


def _is_error(end: object) -> bool:
    return isinstance(end, BaseException)


def _format_error(exc: BaseException) -> str:
    return f"{type(exc).__name__} {exc}".strip()[:300]


async def _run_for_each(
    keys: Collection[Key], work: Callable[[Key], Awaitable[Value]], deadline: float
) -> Ends[Key, Value]:
    """Run ``work`` for each key, several at once; return its value or error by key.

    Work that is late is cancelled.
    """
    ends: Ends[Key, Value] = {}
    remaining_keys = iter(keys)

    async def work_on_keys() -> None:
        for key in remaining_keys:
            ends[key] = asyncio.CancelledError("not answered in time")
            try:
                ends[key] = await work(key)
            except Exception as exc:  # noqa: BLE001 - the caller handles it
                ends[key] = exc

    workers = [asyncio.ensure_future(work_on_keys()) for _ in range(min(AT_ONCE, len(keys)))]
    if workers:
        _, late = await asyncio.wait(workers, timeout=max(0.0, deadline - time.monotonic()))
        for task in late:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    not_started = asyncio.CancelledError("not asked in time")
    return {key: ends.get(key, not_started) for key in keys}
