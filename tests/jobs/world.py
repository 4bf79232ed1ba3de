"""Everything that can happen to jobs, as operations that any order and any thread may call.

Operations take small numbers in place of ids (the job, or the message, of that number, counted
round), so that a generated sequence means the same whatever came before. What is refused, as the
rules say it must be, is no error.
"""

import contextlib
import time
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from redis.exceptions import RedisError

from accounts.models import User
from credits import ledger
from credits.models import Credits
from gpu_tasks.runtime.contract import EngineInfo, Failure, Outcome
from gpu_tasks.runtime.errors import ErrorCode
from jobs import heartbeat, hooks, lifecycle, submission, tasks
from jobs.budget import Budget
from jobs.calls.backends import local
from jobs.calls.backends.models import LocalCall, LocalCallState
from jobs.events.numbering import number_events
from jobs.features.parameters import MediaNotReadyProblem
from jobs.features.registry import get_feature
from jobs.models import Attempt, Job, WorkerHeartbeat
from jobs.orchestrator import admission, calls, due, loop, media_waits, repair
from jobs.states import DELIVERING, DISPATCH, ENDED, HOLDING, OPEN, STEPS, AttemptState
from media.models import MediaFile, MediaStatus, MediaType
from tests.jobs.broker import Broker

ENGINE = EngineInfo(name="draft", model="noop")
GONE = "gone"
"""A worker that has never shown a heartbeat."""
SLOW = "slow"
"""A worker that lives as long as anybody cares, and does not finish."""
SPAWNED = (AttemptState.DISPATCHING, AttemptState.RUNNING)
ALIVE = (LocalCallState.QUEUED, LocalCallState.RUNNING)
NOT_OURS = str(UUID(int=1))
"""The id of a call that the backend does not know."""
BY_TASK = {f"jobs.{step.name}": step for step in STEPS}
LATE = {"seconds": 0, "error": None}
"""What the slow worker leaves behind; a payload that a call can be started with."""

OUTCOMES = {
    "done": Outcome(result={}, engine=ENGINE),
    "nonsense": Outcome(result={"surprise": 1}, engine=ENGINE),
    "lost": Outcome(error=Failure(code=ErrorCode.GPU_UNAVAILABLE, message="Lost.")),
    "oom": Outcome(error=Failure(code=ErrorCode.GPU_OOM, message="Too large.")),
}

CLOCKS = (
    ("jobs", "wake_at IS NOT NULL", ("wake_at", "start_deadline_at", "deadline_at")),
    (
        "job_attempts",
        "stopped_at IS NULL",
        ("lease_expires_at", "stop_requested_at", "dispatched_at", "reported_at"),
    ),
    ("local_calls", "finished_at IS NULL", ("lease_expires_at",)),
)
"""Tables, their rows for which time matters, and where it is written."""
DEADLINES = ("start_deadline_at", "deadline_at", "dispatched_at", "reported_at")


class World:
    """One user with a few jobs, their messages, calls and workers."""

    def __init__(self, broker: Broker, *, balance: int, most: int) -> None:
        self.broker = broker
        self.most = most
        """How many jobs are open at once, and how many of the latest operations reach."""
        self.broker.come_back()
        self.broker.flush()
        _empty_the_tables()
        self.user = User.objects.create(email="stateful@example.com")
        Credits.objects.create(user=self.user)
        self.grant(balance)
        heartbeat.current_worker()  # one for all threads
        forever = Now() + timedelta(days=365)
        WorkerHeartbeat.objects.update_or_create(name=SLOW, defaults={"beat_at": forever})
        self.job_ids: list[UUID] = []

    # People

    def grant(self, amount: int) -> None:
        with transaction.atomic():
            ledger.grant(user_id=self.user.pk, amount=amount)

    def submit(self, price: int, used: int, *, waits: bool = False) -> None:
        """Submit a job, which ``waits`` for media that is being checked."""
        if self.open_jobs() >= self.most:
            return
        feature = get_feature("noop")
        data: dict[str, Any] = {
            "price": price,
            "used": min(used, price),
            "delivered": used % 2 == 0,
        }
        if waits:
            data["media_id"] = str(self._unchecked_media().pk)
        try:
            parameters = submission.validate(
                feature=feature, user_id=self.user.pk, data=data, budget=Budget(self.user.pk)
            )
            submission_result = submission.submit(
                feature=feature, user_id=self.user.pk, plan=None, parameters=parameters
            )
        except (ledger.InsufficientCreditsProblem, MediaNotReadyProblem):
            return
        self.job_ids.append(submission_result.job_id)

    def _unchecked_media(self) -> MediaFile:
        return MediaFile.objects.create(
            user=self.user,
            name="talk.wav",
            type=MediaType.AUDIO,
            status=MediaStatus.CHECKING,
            check_at=Now(),
            mime_type="audio/wav",
            r2_key=f"users/{self.user.pk}/media/{uuid4()}/talk.wav",
        )

    def end_check(self, *, status: str, is_told: bool) -> None:
        """End the oldest check that goes on; the jobs that wait for it may not hear of it."""
        media = MediaFile.objects.filter(status=MediaStatus.CHECKING).order_by("pk").first()
        if media is None:
            return
        MediaFile.objects.filter(pk=media.pk).update(status=status, check_at=None)
        if is_told:
            hooks.wake_jobs_waiting_for(media)

    def end_checks(self) -> None:
        """End all of them well."""
        MediaFile.objects.filter(status=MediaStatus.CHECKING).update(
            status=MediaStatus.READY, check_at=None
        )

    def run_again(self, number: int, charged: bool) -> None:
        job = Job.objects.filter(status__in=ENDED).order_by("-created_at")[number:].first()
        if job is None or self.open_jobs() >= self.most:
            return
        try:
            submission_result = submission.resubmit(
                job=job, feature=get_feature("noop"), plan=job.plan, charged=charged, by="staff"
            )
        except (ledger.InsufficientCreditsProblem, MediaNotReadyProblem):
            return
        self.job_ids.append(submission_result.job_id)

    def cancel(self, number: int) -> None:
        if job := self._job(number):
            with contextlib.suppress(lifecycle.JobFinishedProblem):
                lifecycle.cancel(job_id=job.pk, by="user")

    def requeue(self, number: int) -> None:
        if job := self._job(number):
            refusals = (lifecycle.JobFinishedProblem, lifecycle.JobWaitsForMediaProblem)
            with contextlib.suppress(*refusals):
                lifecycle.requeue_job(job_id=job.pk, by="staff")

    def expire(self, number: int) -> None:
        if job := self._job(number):
            lifecycle.expire(job_id=job.pk)

    # Orchestrators

    def orchestrate(self) -> None:
        """A round of each loop; the one that wakes may find Redis away."""
        with contextlib.suppress(RedisError):
            loop.wake()
        loop.decide()
        media_waits.queue_checked_jobs()
        calls.follow()
        number_events()

    def admit(self) -> None:
        admission.admit_all()

    def look_and_die(self) -> None:
        """An orchestrator is killed before it publishes what it took and decided."""
        repair.reconcile()
        with contextlib.suppress(RedisError):
            due.claim_wake_ups()

    def sweep(self) -> None:
        loop.sweep()

    # Workers

    def deliver_to(self, worker: str, place: int, spawned: bool) -> None:
        """A message reaches a worker that claims, may come to start the calls, and no further."""
        message = self.broker.read(place)
        step = BY_TASK.get(message[0]) if message else None
        if message is None or step is None:
            return
        ids = [UUID(attempt_id) for attempt_id in message[1][0]]
        for attempt in lifecycle.claim(step=step, attempt_ids=ids, worker=worker):
            if spawned and step is DISPATCH:
                call = {"function": "noop", "engine": "draft", "queue": "gpu.cpu", "payload": {}}
                LocalCall.objects.get_or_create(attempt_id=attempt.pk, defaults=call)

    def finish_late(self, number: int, back: int) -> None:
        """The slow worker finishes a step, whether or not it still holds the attempt."""
        attempt = self._attempt(number, back, *HOLDING)
        if attempt is None:
            return
        for step in STEPS:
            if step.name == "finalize":
                lifecycle.complete(attempt_ids=[attempt.pk], worker=SLOW)
            elif step.repeatable:
                column = "payload" if step.name == "prepare" else "result"
                lifecycle.finish(step=step, worker=SLOW, values={attempt.pk: {column: LATE}})

    def raise_in(self, number: int, back: int, task: str) -> None:
        """A task raises with an attempt in its message, and its `on_failure` runs twice."""
        if attempt := self._attempt(number, back):
            for _ in range(2):
                getattr(tasks, task).on_failure(
                    ValueError("x"), "task-id", ([str(attempt.pk)],), {}, None
                )

    # Calls

    def begin_call(self, number: int, back: int) -> None:
        """A GPU worker takes a call."""
        if attempt := self._attempt(number, back, *SPAWNED):
            LocalCall.objects.filter(attempt_id=attempt.pk, state=LocalCallState.QUEUED).update(
                state=LocalCallState.RUNNING,
                worker="gpu",
                lease_expires_at=Now() + local.CALLS.duration,
            )

    def end_call(self, number: int, back: int, outcome: str) -> None:
        """A call stores its outcome; its callback never comes."""
        if attempt := self._attempt(number, back, *SPAWNED):
            _end_call(attempt, outcome)

    def report(self, number: int, back: int, outcome: str, times: int) -> None:
        """A call stores its outcome and calls back, perhaps more than once."""
        attempt = self._attempt(number, back, *SPAWNED)
        call = LocalCall.objects.filter(attempt_id=attempt.pk).first() if attempt else None
        if attempt is not None and call is not None:
            _end_call(attempt, outcome)
            for _ in range(times):
                _report_outcome(attempt, str(call.pk), outcome)

    def forge(self, number: int, back: int, outcome: str) -> None:
        """A callback of a call that the backend does not know."""
        if attempt := self._attempt(number, back, *SPAWNED):
            _report_outcome(attempt, NOT_OURS, outcome)

    def progress(self, number: int, back: int, share: float) -> None:
        attempt = self._attempt(number, back, *SPAWNED)
        if attempt is None:
            return
        with contextlib.suppress(lifecycle.SupersededProblem):
            lifecycle.report_progress(
                attempt_id=attempt.pk, call_id=attempt.call_id or NOT_OURS, progress=share
            )

    # Time, and a busy database

    def wait(self, seconds: float, *, deadlines: bool = True) -> None:
        """Time passes for everything that is written down with a time.

        Row by row, so that it never waits for one row while it keeps another.
        """
        for table, alive, columns in CLOCKS:
            moved = [column for column in columns if deadlines or column not in DEADLINES]
            sets = ", ".join(f"{c} = {c} - make_interval(secs => {seconds})" for c in moved)
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT id FROM {table} WHERE {alive}")
                for row in cursor.fetchall():
                    cursor.execute(f"UPDATE {table} SET {sets} WHERE id = %s", row)

    def keep(self, number: int, seconds: float) -> None:
        """Lock a job for a while: who wants it next has read it before, and gets it all at once."""
        if job := self._job(number):
            with transaction.atomic():
                Job.objects.select_for_update(no_key=True).get(pk=job.pk)
                time.sleep(seconds)

    # What there is

    def delivering(self) -> set[UUID]:
        """The attempts of open jobs that are beyond the point of no return."""
        return set(
            Job.objects.filter(attempt__state__in=DELIVERING, status__in=OPEN).values_list(
                "attempt_id", flat=True
            )
        )

    def open_jobs(self) -> int:
        return Job.objects.filter(status__in=OPEN).count()

    def _job(self, number: int) -> Job | None:
        """One of the latest jobs, if it can be an open one."""
        reach = Job.objects.filter(pk__in=self.job_ids[-self.most :]).order_by("created_at")
        fitting = list(reach.filter(status__in=OPEN)) or list(reach)
        return fitting[number % len(fitting)] if fitting else None

    def _attempt(self, number: int, back: int, *states: str) -> Attempt | None:
        """A present attempt, if there is any in one of the states; or one before a present one."""
        reach = Attempt.objects.filter(job_id__in=self.job_ids[-self.most :])
        present = reach.filter(job__attempt_id=F("pk")).order_by("created_at")
        fitting = list(present.filter(state__in=states)) or list(present)
        if not fitting:
            return None
        attempt = fitting[number % len(fitting)]
        before = Attempt.objects.filter(job_id=attempt.job_id, number=attempt.number - back)
        return before.first() or attempt


def _end_call(attempt: Attempt, outcome: str) -> None:
    LocalCall.objects.filter(attempt_id=attempt.pk, state__in=ALIVE).update(
        state=LocalCallState.DONE,
        outcome=OUTCOMES[outcome].model_dump(mode="json"),
        finished_at=Now(),
    )


def _report_outcome(attempt: Attempt, call_id: str, outcome: str) -> None:
    with contextlib.suppress(lifecycle.SupersededProblem):
        lifecycle.report_outcome(attempt_id=attempt.pk, call_id=call_id, outcome=OUTCOMES[outcome])


def _empty_the_tables() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE users, local_calls, job_events, user_events, event_heads, event_cursors"
            " CASCADE"
        )
