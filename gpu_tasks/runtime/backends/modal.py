"""The Modal backend: calls are function calls of the deployed app (`runtime/modal_app.py`).

Each method runs an event loop of its own for the calls of one batch, so any thread may use it;
the client belongs to the process that made it, so a forked child makes another.
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

from gpu_tasks.runtime.backends.base import BackendUnavailableError, Call, CallStatus
from gpu_tasks.runtime.backends.modal_outputs import outputs_of
from gpu_tasks.runtime.backends.modal_statuses import (
    MISCONFIGURED,
    UNDER_WAY,
    UNREACHABLE,
    status_of_error,
    status_of_outputs,
)
from gpu_tasks.runtime.callback import attempt_key

logger = logging.getLogger(__name__)

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Ends = dict[Key, Value | BaseException]

AT_ONCE = 100
"""Requests in flight; more bring nothing over the client's one connection."""
BATCH_SECONDS = 10.0
"""After this, what has not been answered counts as unreachable; the client itself has no limit."""
SECONDS_PER_POLL = 0.01
"""Added to it for each call that is asked after."""
POLL_SECONDS = 30.0
JITTER = 0.25
"""Calls started together are not asked after together."""
ALARM_SECONDS = 60.0

_NO_REPLY = (*UNREACHABLE, asyncio.CancelledError)
_NOT_SET_UP = (*MISCONFIGURED, modal.exception.NotFoundError, modal.exception.InvalidError)
_REFUSED = (*_NOT_SET_UP, modal.exception.ResourceExhaustedError)
"""The start of a call that Modal answered so did not happen. Any other error may hide a start: the
client tries four times, and tells of the last try only."""


class ModalBackend:
    """Runs calls on Modal, by the settings ``MODAL_*``.

    ``MODAL_SERVER_URL``, which is the client's own variable, leads it to another server.
    """

    def __init__(self) -> None:
        self._clients: dict[Hashable, modal.Client] = {}
        self._functions: dict[Hashable, modal.Function[Any, Any, Any]] = {}
        self._alarmed_at: dict[str, float] = {}

    @property
    def poll_seconds(self) -> float:
        """A callback is the rule, asking the net below it."""
        return POLL_SECONDS * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret

    def spawn(self, calls: Sequence[Call]) -> dict[UUID, str]:
        """Start calls; one that was refused loses nothing of the others.

        A start that was not answered may have happened: its attempt is left out, even if it is the
        only one.
        """
        sent: set[UUID] = set()
        ends = asyncio.run(self._spawn(calls, sent))
        started = {key: end for key, end in ends.items() if isinstance(end, str)}
        is_unanswered = any(
            _is_error(ends[key]) and not isinstance(ends[key], _REFUSED) for key in sent
        )
        self._judge("started", ends, any_reply=bool(started) or is_unanswered)
        return started

    def poll(self, call_ids: Collection[str]) -> dict[str, CallStatus]:
        """How these calls stand; one that was not answered for counts as under way still."""
        ends = asyncio.run(self._poll(call_ids))
        known = {key: end for key, end in ends.items() if isinstance(end, CallStatus)}
        self._judge("asked after", ends, any_reply=bool(known))
        return {call_id: known.get(call_id, UNDER_WAY) for call_id in call_ids}

    def stop(self, call_ids: Collection[str]) -> set[str]:
        """Cancel these calls; returns those that Modal has cancelled or does not know any more."""
        ends = asyncio.run(self._stop(call_ids))
        stopped = {key for key, end in ends.items() if not _is_error(end)}
        self._judge("stopped", ends, any_reply=bool(stopped))
        return stopped

    async def _spawn(self, calls: Sequence[Call], sent: set[UUID]) -> Ends[UUID, str]:
        """``sent`` receives the attempts whose start was requested, whatever became of it."""
        by_attempt = {call.attempt_id: call for call in calls}
        deadline = time.monotonic() + BATCH_SECONDS

        names = {call.contract.name for call in calls}
        found = await self._with_client(names, self._function, deadline)

        async def spawn(attempt_id: UUID) -> str:
            call = by_attempt[attempt_id]
            function = found[call.contract.name]
            if isinstance(function, BaseException):
                raise function
            payload = call.payload.model_dump(mode="json")
            key = attempt_key(secret=settings.GPU_CALLBACK_SECRET, attempt_id=attempt_id)
            sent.add(attempt_id)
            started = await function.spawn.aio(payload, call.engine, key.get_secret_value())
            return started.object_id

        ends = await _gather(by_attempt, spawn, deadline)
        if any(isinstance(end, modal.exception.NotFoundError) for end in ends.values()):
            self._functions.clear()  # deployed anew since, perhaps
        return ends

    async def _poll(self, call_ids: Collection[str]) -> Ends[str, CallStatus]:
        deadline = time.monotonic() + BATCH_SECONDS + SECONDS_PER_POLL * len(call_ids)

        async def poll(client: modal.Client, call_id: str) -> CallStatus:
            try:
                return status_of_outputs(call_id, await outputs_of.aio(client, call_id))
            except modal.exception.Error as exc:
                return status_of_error(call_id, exc)

        return await self._with_client(call_ids, poll, deadline)

    async def _stop(self, call_ids: Collection[str]) -> Ends[str, None]:
        deadline = time.monotonic() + BATCH_SECONDS

        async def stop(client: modal.Client, call_id: str) -> None:
            try:
                await modal.FunctionCall.from_id(call_id, client=client).cancel.aio()
            except modal.exception.NotFoundError:
                logger.info("call %s is not known any more", call_id)

        return await self._with_client(call_ids, stop, deadline)

    async def _with_client(
        self,
        keys: Collection[str],
        work: Callable[[modal.Client, str], Awaitable[Value]],
        deadline: float,
    ) -> Ends[str, Value]:
        """``work`` with the client for each key; without a client, for each why there is none."""
        (client,) = (await _gather([""], lambda _: self._client(), deadline)).values()
        if isinstance(client, BaseException):
            return dict.fromkeys(keys, client)
        return await _gather(keys, lambda key: work(client, key), deadline)

    async def _client(self) -> modal.Client:
        token = (settings.MODAL_TOKEN_ID, settings.MODAL_TOKEN_SECRET)
        if not all(token):
            raise modal.exception.AuthError("MODAL_TOKEN_ID and MODAL_TOKEN_SECRET are not set")
        key = (os.getpid(), modal.config.config["server_url"], *token)
        if key not in self._clients:
            made = await modal.Client.from_credentials.aio(*token)
            self._clients.setdefault(key, made)  # another thread may have been faster
        return self._clients[key]

    async def _function(self, client: modal.Client, name: str) -> modal.Function[Any, Any, Any]:
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

    def _judge(self, done: str, ends: Ends[Any, Any], *, any_reply: bool) -> None:
        """Say in the log why calls were left out; raise where no call was answered for."""
        errors = [end for end in ends.values() if _is_error(end)]
        if not errors:
            return
        wrong = [exc for exc in errors if not isinstance(exc, _NO_REPLY)]
        if wrong:
            self._alarm(len(errors), done, wrong[0])
        else:
            logger.warning(
                "Modal: %d of %d calls not %s: %s", len(errors), len(ends), done, _text(errors[0])
            )
        if not any_reply:
            raise BackendUnavailableError(_text((wrong or errors)[0]))

    def _alarm(self, count: int, done: str, exc: BaseException) -> None:
        """Somebody must look: for one reason at most once a minute."""
        reason, now = type(exc).__name__, time.monotonic()
        if now - self._alarmed_at.get(reason, -ALARM_SECONDS) < ALARM_SECONDS:
            return
        self._alarmed_at[reason] = now
        what = "is not set up as MODAL_* say" if isinstance(exc, _NOT_SET_UP) else "refuses"
        logger.error("Modal %s: %d calls not %s: %s", what, count, done, _text(exc))


def _is_error(end: object) -> bool:
    return isinstance(end, BaseException)


def _text(exc: BaseException) -> str:
    return f"{type(exc).__name__} {exc}".strip()[:300]


async def _gather(
    keys: Collection[Key], work: Callable[[Key], Awaitable[Value]], deadline: float
) -> Ends[Key, Value]:
    """The value or the error of ``work`` for each key, some at once; late ones are cancelled."""
    ends: Ends[Key, Value] = {}
    waiting = iter(keys)

    async def worker() -> None:
        for key in waiting:
            ends[key] = asyncio.CancelledError("not answered in time")
            try:
                ends[key] = await work(key)
            except Exception as exc:  # noqa: BLE001 - the caller judges it
                ends[key] = exc

    workers = [asyncio.ensure_future(worker()) for _ in range(min(AT_ONCE, len(keys)))]
    if workers:
        _, late = await asyncio.wait(workers, timeout=max(0.0, deadline - time.monotonic()))
        for one in late:
            one.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    unasked = asyncio.CancelledError("not asked in time")
    return {key: ends.get(key, unasked) for key in keys}
