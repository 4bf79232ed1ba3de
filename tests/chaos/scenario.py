"""One fault from the first job to the audit: `run` makes a `Report` of it."""

import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil
from pathlib import Path

import psycopg
import redis
from amqp.exceptions import AMQPError
from auteur_client import Auteur

from tests.chaos import audit
from tests.chaos.fault import Fault
from tests.chaos.listeners import Listeners
from tests.chaos.stack import ChaosStack
from tests.chaos.workload import Order, Workload
from tests.media import samples

JOBS = 24
STRIKES_AFTER_SECONDS = 1.2
PATIENCE_SECONDS = 180.0
SETTLE_LOOK_SECONDS = 0.2
STORE_ERRORS = (psycopg.Error, redis.RedisError, AMQPError, OSError)  # requests' are such


@dataclass
class Report:
    """What a fault did; without complaints all is as it must be."""

    fault: str
    jobs: int = 0
    lost: list[str] = field(default_factory=list)
    """Accepted or charged, and not ended in time; or never accepted."""
    doubled: list[str] = field(default_factory=list)
    """A job too many for its key, an end too many, money moved twice."""
    spoilt: list[str] = field(default_factory=list)
    """Failed, with a refund, though nothing was wrong with them."""
    recoveries: list[float] = field(default_factory=list)
    """Seconds from the fault to the end, for jobs open at the fault."""
    complaints: dict[str, list[str]] = field(default_factory=dict)
    unacknowledged: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, doubled, spoilt or left."""
        return not (self.lost or self.doubled or self.spoilt or self.complaints)

    def complain(self, what: str, about: str) -> None:
        """Note something else that is not as it must be."""
        self.complaints.setdefault(what, []).append(about)

    def recovered_within(self, share: float) -> float:
        """The recovery time that ``share`` of the jobs did not exceed."""
        ordered = sorted(self.recoveries)
        return ordered[ceil(share * len(ordered)) - 1] if ordered else 0.0


def run(stack: ChaosStack, fault: Fault, jobs: int = JOBS) -> Report:
    """Submit jobs through the fault, wait until all is quiet, look at everything."""
    stack.heal()
    user_id = str(uuid.uuid4())
    film_id = upload_film(stack, user_id) if any(kind.reads_film for kind in fault.kinds) else ""
    workload = Workload(
        stack.client_url,
        stack.token(user_id),
        jobs,
        fault.submission_seconds,
        fault.submission_seconds + PATIENCE_SECONDS,
        fault.kinds,
        film_id,
    )
    with (
        audit.Watch(stack.database, user_id) as watch,
        Listeners(stack, user_id) as listeners,
    ):
        fault.begin(stack)
        workload.start()
        time.sleep(STRIKES_AFTER_SECONDS)
        struck = datetime.fromtimestamp(fault.strike(stack), UTC)
        if stack.lost:
            watch.forget()
        workload.finish()
        _settle(stack, user_id, fault.settle)
        report = Report(fault.name)
        _compare(report, workload, stack, user_id)
        _ask_again(report, workload, stack)
        for complaint in listeners.complaints():
            report.complain("somebody did not hear of everything", complaint)
        with stack.database() as database:
            watch.look(database)
            rows = audit.jobs_of(database, user_id)
            if fault.is_harmless:
                for job_id in audit.tried_again(database, user_id):
                    report.complain("attempts given up, though all that held them lived", job_id)
    for complaint in fault.find_complaints(stack, user_id):
        report.complain("what this fault demands", complaint)
    report.recoveries = [
        (row.completed_at - struck).total_seconds()
        for row in rows
        if row.completed_at is not None and row.was_open_at(struck)
    ]
    for change in watch.changed.values():
        report.complain("a terminal status changed", change)
    return report


def upload_film(stack: ChaosStack, user_id: str) -> str:
    """Upload a short film for this user; return the id of its media file."""
    client = Auteur(stack.client_url, stack.token(user_id))
    project = client.request("POST", "/projects", json={"name": "Chaos"})
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        film.write_bytes(samples.video())
        return str(client.upload(film, project["id"]).id)


def _settle(stack: ChaosStack, user_id: str, seconds: float) -> None:
    """Return when all has ended and is quiet, or when the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if _is_quiet(stack, user_id):
                return
        except STORE_ERRORS:
            pass  # a store is on its way back
        time.sleep(SETTLE_LOOK_SECONDS)


def _is_quiet(stack: ChaosStack, user_id: str) -> bool:
    with stack.database() as database:
        if audit.violations(database, user_id, audit.UNFINISHED):
            return False
    return not (stack.leftover_messages() or stack.open_calls())


def _compare(report: Report, workload: Workload, stack: ChaosStack, user_id: str) -> None:
    """What was ordered against what the stores hold."""
    with stack.database() as database:
        rows = {row.id: row for row in audit.jobs_of(database, user_id)}
        report.complaints = audit.violations(database, user_id, audit.BOOKS | audit.UNFINISHED)
    report.jobs = len(rows)
    report.lost = [row.id for row in rows.values() if not row.is_ended]
    report.doubled = sorted(set(rows) - {order.job_id or "" for order in workload.orders})
    for order in workload.orders:
        row = rows.get(order.job_id or "")
        if row is None and _is_forgotten(order, stack):
            continue
        if row is None:
            report.lost.append(order.problem or f"no job under {order.job_id}")
        elif order.kind.ends == "completed" and row.status == "failed":
            report.spoilt.append(f"{row.id} {row.error_code}")
        if row is not None and order.problem:
            report.complain("an answer was a problem", order.problem)
    for name, count in stack.leftover_messages().items():
        report.complain("messages left", f"{count} in {name}")
    for call_id in stack.open_calls():
        report.complain("calls go on at Modal", call_id)
    report.unacknowledged = audit.unacknowledged(stack.redis())


def _is_forgotten(order: Order, stack: ChaosStack) -> bool:
    """Return whether the job was accepted in the time that a restore has taken away."""
    begin, end = stack.lost or (0.0, 0.0)
    return begin <= order.accepted_at <= end


def _ask_again(report: Report, workload: Workload, stack: ChaosStack) -> None:
    """The same keys must lead to the same jobs."""
    remembered = [order for order in workload.orders if not _is_forgotten(order, stack)]
    for order, answer in workload.again(remembered):
        if answer != order.job_id:
            report.doubled.append(f"{order.job_id}: its key led to {answer}")


def table(reports: Sequence[Report]) -> str:
    """One line per fault."""
    width = max(len(report.fault) for report in reports)
    lines = [
        f"{'fault':<{width}}  jobs  open  lost  doubled  spoilt  recovery p50  p99 s",
        *(
            f"{report.fault:<{width}}  {report.jobs:>4}  {len(report.recoveries):>4}"
            f"  {len(report.lost):>4}  {len(report.doubled):>7}  {len(report.spoilt):>6}"
            f"  {report.recovered_within(0.5):>12.1f}  {report.recovered_within(0.99):>5.1f}"
            for report in reports
        ),
    ]
    return "\n".join(lines)
