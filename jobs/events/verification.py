"""Whether the numbered log is whole: every event numbered, chained and told once."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from jobs import sql
from jobs.events import chain, epochs
from jobs.ledger_audit import SHOWN_PER_RULE, TIME_LIMIT, consistent_snapshot
from jobs.models import Event, EventEpoch, EventHead

ROWS_AT_ONCE = 2000
RULES = {
    "seq_has_no_gaps": "A user's events are numbered one after another, anew in each epoch.",
    "hash_chains": "Each hash follows from the one before it and the event.",
    "position_rises": "What has the higher seq has the higher position.",
    "head_is_the_last": "The head says the seq and hash of the user's last event.",
    "ends_are_told": "An ended job has one event of its end, of its status, while events are kept.",
    "none_is_set_aside": "Every event can be told: it has what its type must say.",
}


@dataclass(frozen=True)
class Finding:
    """One thing that is off."""

    rule: str
    user_id: UUID
    seq: int | None
    expected: str
    found: str


@dataclass(frozen=True)
class Report:
    """What was checked, and what is off."""

    events: int
    users: int
    waiting: int
    """Events that have no number yet."""
    findings: list[Finding]
    broken: dict[str, int]
    """How often each rule is."""


def verify_event_log(*, limit: int = SHOWN_PER_RULE, time_limit: timedelta = TIME_LIMIT) -> Report:
    """Check all events as they stand at one instant; must not be called in a transaction.

    Of each rule at most ``limit`` findings are named. Whether something is missing before a user's
    first kept event cannot be known any more.
    """
    with transaction.atomic(durable=True), consistent_snapshot(time_limit):
        return check(limit=limit)


def check(*, limit: int = SHOWN_PER_RULE) -> Report:
    """Check all events that the present transaction sees."""
    pass_ = _Pass()
    broken = dict.fromkeys(RULES, 0)
    findings = []
    for finding in pass_.findings():
        broken[finding.rule] += 1
        if broken[finding.rule] <= limit:
            findings.append(finding)
    ((waiting,),) = sql.run("count_waiting_events")
    return Report(pass_.events, pass_.users, waiting, findings, broken)


@dataclass(frozen=True)
class _Row:
    """A row of `page_of_events`."""

    user_id: UUID
    seq: int
    position: int
    type: str
    data: str
    """JSON."""
    hash: bytes
    created_at: datetime


def _rows() -> Iterator[_Row]:
    """All of the log, by user; in pages, for behind a pooler a cursor would bring it whole."""
    last_user, last_seq = UUID(int=0), -1
    while page := sql.run("page_of_events", user_id=last_user, seq=last_seq, limit=ROWS_AT_ONCE):
        yield from (_Row(*row) for row in page)
        last_user, last_seq, *_ = page[-1]


class _Pass:
    def __init__(self) -> None:
        self.events = 0
        self.users = 0

    def findings(self) -> Iterator[Finding]:
        heads = {head.user_id: head for head in EventHead.objects.all()}
        begun = dict(EventEpoch.objects.values_list("number", "first_position"))
        last: _Row | None = None
        for row in _rows():
            self.events += 1
            if last is None or last.user_id != row.user_id:
                self.users += 1
                if last is not None:
                    yield from _about_head(last, heads.get(last.user_id))
                last = None
            yield from _about_row(row, last, begun)
            last = row
        if last is not None:
            yield from _about_head(last, heads.get(last.user_id))
        for user_id, expected, found in sql.run("audit_told_ends"):
            yield Finding("ends_are_told", user_id, None, expected, found)
        for event in Event.objects.exclude(set_aside_at=None).order_by("id"):
            found = f"event {event.pk} of the outbox, {event.type} of job {event.job_id}"
            yield Finding("none_is_set_aside", event.user_id, None, "what can be told", found)


def _about_row(row: _Row, before: _Row | None, begun: Mapping[int, int]) -> Iterator[Finding]:
    """Check a row by the one before it; ``begun`` has the first position of each epoch."""
    if before is None and row.seq > 1:
        return  # what it follows is no longer kept
    seq = before.seq if before else 0
    previous = bytes(before.hash) if before else chain.BEFORE_THE_FIRST
    if row.seq != seq + 1 and not _begins_epoch(row, before, begun):
        yield Finding("seq_has_no_gaps", row.user_id, row.seq, str(seq + 1), str(row.seq))
    if before and row.position <= before.position:
        expected = f"more than {before.position}"
        yield Finding("position_rises", row.user_id, row.seq, expected, str(row.position))
    expected_hash = chain.next_hash(
        previous,
        seq=row.seq,
        type=row.type,
        timestamp=chain.timestamp(row.created_at),
        data=json.loads(row.data),
    )
    if bytes(row.hash) != expected_hash:
        found = bytes(row.hash).hex()
        yield Finding("hash_chains", row.user_id, row.seq, expected_hash.hex(), found)


def _begins_epoch(row: _Row, before: _Row | None, begun: Mapping[int, int]) -> bool:
    epoch = epochs.epoch_of(row.seq)
    if before is None or epoch not in begun or row.seq != epochs.first_seq(epoch):
        return False
    return before.position < begun[epoch] <= row.position


def _about_head(last: _Row, head: EventHead | None) -> Iterator[Finding]:
    expected = f"{last.seq} {bytes(last.hash).hex()}"
    found = f"{head.seq} {bytes(head.hash).hex()}" if head else "none"
    if expected != found:
        yield Finding("head_is_the_last", last.user_id, last.seq, expected, found)
