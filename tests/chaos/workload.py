"""Jobs of all kinds, submitted by HTTP through a fault, as a patient client would do it."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any

import requests

PATH = "/jobs/noop"
THREADS = 6
REQUEST_SECONDS = 5.0
AGAIN_SECONDS = 0.3
ACCEPTED = 202
CONFLICT = 409
SERVER_ERROR = 500


@dataclass(frozen=True)
class Kind:
    """What is asked for, and how it should end if nothing gets in its way."""

    body: dict[str, Any]
    ends: str = "completed"
    cancel_after: float | None = None
    path: str = PATH
    reads_film: bool = False
    """Whether it needs a film of its user's."""


QUICK = Kind({"seconds": 0, "price": 2})
FREE = Kind({"seconds": 0, "price": 0})
LONG = Kind({"seconds": 1.5, "price": 3, "delivered": True})
DELIVERED = Kind({"seconds": 0, "price": 2, "delivered": True})
FAILING = Kind({"seconds": 0.1, "price": 5, "error": "MODEL_ERROR"}, ends="failed")
CANCELLED = Kind({"seconds": 4, "price": 7}, ends="cancelled", cancel_after=0.7)
ALL_ALONG = Kind({"seconds": 9, "price": 3})
MIXED = (QUICK, LONG, DELIVERED, FAILING, QUICK, CANCELLED, LONG, FREE)
UNCANCELLED = (QUICK, LONG, DELIVERED, FREE)
"""A lost job that its client cancels would not be seen to be lost."""
CALLS_ALL_ALONG = (ALL_ALONG, QUICK, QUICK, QUICK)
SLOW = Kind({"seconds": 20, "price": 3})
"""Its call runs for longer than we wait for the answer to its start."""
SLOW_CALLS = (SLOW, QUICK, QUICK, QUICK)
STILLS = Kind({"count": 1}, path="/jobs/stills", reads_film=True)
WITH_FILES = (STILLS, QUICK, STILLS, LONG)
BRIEF_SECONDS = 20
"""The deadline of a brief job, in `plugins`."""
BRIEF = Kind({"seconds": 0.2, "price": 3}, path="/jobs/noop-brief")
"""Its deadline is shorter than an outage that it has to survive."""
WITH_BRIEF = (BRIEF, QUICK, BRIEF, LONG, BRIEF, CANCELLED)


@dataclass
class Order:
    """One job that somebody wants, under one Idempotency-Key for all tries."""

    kind: Kind
    key: str = field(default_factory=lambda: uuid.uuid4().hex)
    job_id: str | None = None
    accepted_at: float = 0.0
    """When its job's id was read, as Unix time."""
    problem: str = ""


class Workload:
    """``count`` orders placed over ``seconds``, each tried until ``patience`` seconds are over."""

    def __init__(
        self,
        url: str,
        token: str,
        count: int,
        seconds: float,
        patience: float,
        kinds: tuple[Kind, ...] = MIXED,
        film_id: str = "",
    ) -> None:
        self._film_id = film_id
        self.orders = [Order(kind) for kind in islice(cycle(kinds), count)]
        self._url = url
        self._token = token
        self._seconds = seconds
        self._end = time.monotonic() + patience
        self._threads = ThreadPoolExecutor(THREADS)
        self._placed: list[Future[None]] = []
        self._own = threading.local()

    def start(self) -> None:
        """Begin to place orders, in threads."""
        pause = self._seconds / len(self.orders)
        begin = time.monotonic()
        for number, order in enumerate(self.orders):
            self._placed.append(self._threads.submit(self._place_at, begin + number * pause, order))

    def finish(self) -> None:
        """Return when each order has been accepted, or given up."""
        for placed in self._placed:
            placed.result()

    def again(self, orders: Sequence[Order]) -> Iterator[tuple[Order, str]]:
        """Place each accepted one of these orders once more: the job that its key leads to."""
        for order in orders:
            if order.job_id is not None:
                answer = self._until_answered(lambda: self._submit(order))  # noqa: B023
                yield order, answer.json().get("job_id", answer.text)

    def _place_at(self, moment: float, order: Order) -> None:
        time.sleep(max(0.0, moment - time.monotonic()))
        try:
            self._place(order)
        except requests.RequestException as exc:
            order.problem = f"{type(exc).__name__}: {exc}"

    def _place(self, order: Order) -> None:
        answer = self._until_answered(lambda: self._submit(order))
        if answer.status_code != ACCEPTED:
            order.problem = f"{answer.status_code} {answer.text}"
            return
        order.job_id = answer.json()["job_id"]
        order.accepted_at = time.time()
        if order.kind.cancel_after is not None:
            time.sleep(order.kind.cancel_after)
            cancel = f"/jobs/{order.job_id}/cancel"
            answer = self._until_answered(lambda: self._post(cancel, {}))
            # 409: a first try had been heard, and only its answer was lost.
            if not answer.ok and answer.status_code != CONFLICT:
                order.problem = f"{answer.status_code} {answer.text}"

    def _submit(self, order: Order) -> requests.Response:
        film = {"video_media_id": self._film_id} if order.kind.reads_film else {}
        return self._post(order.kind.path, order.kind.body | film, order.key)

    def _until_answered(self, send: Callable[[], requests.Response]) -> requests.Response:
        """The first answer that is not "try again later"."""
        while True:
            try:
                answer = send()
            except requests.RequestException:
                if time.monotonic() > self._end:
                    raise
            else:
                if answer.status_code < SERVER_ERROR or time.monotonic() > self._end:
                    return answer
            time.sleep(AGAIN_SECONDS)

    def _post(self, path: str, body: dict[str, Any], key: str | None = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {self._token}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        return self._session.post(
            self._url + path, json=body, headers=headers, timeout=REQUEST_SECONDS
        )

    @property
    def _session(self) -> requests.Session:
        if not hasattr(self._own, "session"):
            self._own.session = requests.Session()
            self._own.session.trust_env = False
        session: requests.Session = self._own.session
        return session
