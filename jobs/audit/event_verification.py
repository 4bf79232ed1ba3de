"""Verify the event log: every event is numbered, chained and published once."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from jobs import sql
from jobs.audit.ledger_audit import MAX_LISTED_PER_RULE, TIME_LIMIT, consistent_snapshot
from jobs.events import chain, epochs
from jobs.models import Event, EventEpoch, EventHead

ROWS_PER_PAGE = 2000
RULES = {
    "seq_has_no_gaps": "A user's events are numbered one after another, anew in each epoch.",
    "hash_chains": "Each hash follows from the one before it and the event.",
    "position_rises": "An event with a higher seq has a higher position.",
    "head_is_the_last": "The head has the seq and hash of the user's last event.",
    "ends_are_told": "An ended job has one event of its end, with its status, while its events "
    "are stored.",
    "none_is_set_aside": "Every event has the data that its type requires.",
}


@dataclass(frozen=True)
class Finding:
    """One violation of a rule."""

    rule: str
    user_id: UUID
    seq: int | None
    expected: str
    found: str


@dataclass(frozen=True)
class Report:
    """The result of a verification: what was checked, and which rules are broken."""

    events: int
    users: int
    waiting: int
    """Events that have no number yet."""
    findings: list[Finding]
    broken: dict[str, int]
    """The number of violations of each rule."""


def verify_event_log(
    *, limit: int = MAX_LISTED_PER_RULE, time_limit: timedelta = TIME_LIMIT
) -> Report:
    """Check all events as of one instant; must not be called in a transaction.

    At most ``limit`` findings are listed for each rule. Events missing before a user's first stored
    event cannot be detected.
    """
    with transaction.atomic(durable=True), consistent_snapshot(time_limit):
        return check(limit=limit)


def check(*, limit: int = MAX_LISTED_PER_RULE) -> Report:
    """Check all events that the current transaction sees."""
    reader = _LogReader()
    broken = dict.fromkeys(RULES, 0)
    findings = []
    for finding in reader.findings():
        broken[finding.rule] += 1
        if broken[finding.rule] <= limit:
            findings.append(finding)
    ((waiting_count,),) = sql.run("count_waiting_events")
    return Report(reader.events, reader.users, waiting_count, findings, broken)


@dataclass(frozen=True)
class _LogRow:
    """One row of `page_of_events`."""

    user_id: UUID
    seq: int
    position: int
    type: str
    data: str
    """JSON."""
    hash: bytes
    created_at: datetime


def _iterate_log() -> Iterator[_LogRow]:
    """Yield the whole log by user, in pages: a pooler would load a cursor's rows at once."""
    last_user, last_seq = UUID(int=0), -1
    while page := sql.run("page_of_events", user_id=last_user, seq=last_seq, limit=ROWS_PER_PAGE):
        yield from (_LogRow(*row) for row in page)
        last_user, last_seq, *_ = page[-1]


class _LogReader:
    def __init__(self) -> None:
        self.events = 0
        self.users = 0

    def findings(self) -> Iterator[Finding]:
        heads = {head.user_id: head for head in EventHead.objects.all()}
        epoch_starts = dict(EventEpoch.objects.values_list("number", "first_position"))
        last: _LogRow | None = None
        for row in _iterate_log():
            self.events += 1
            if last is None or last.user_id != row.user_id:
                self.users += 1
                if last is not None:
                    yield from _check_head(last, heads.get(last.user_id))
                last = None
            yield from _check_row(row, last, epoch_starts)
            last = row
        if last is not None:
            yield from _check_head(last, heads.get(last.user_id))
        for user_id, expected, actual in sql.run("audit_told_ends"):
            yield Finding("ends_are_told", user_id, None, expected, actual)
        for event in Event.objects.exclude(set_aside_at=None).order_by("id"):
            label = f"event {event.pk} of the outbox, {event.type} of job {event.job_id}"
            yield Finding("none_is_set_aside", event.user_id, None, "what can be told", label)


def _check_row(
    row: _LogRow, previous_row: _LogRow | None, epoch_starts: Mapping[int, int]
) -> Iterator[Finding]:
    """Check a row against the row before it; the mapping has the first position of each epoch."""
    if previous_row is None and row.seq > 1:
        return  # The event before it is no longer stored.
    seq = previous_row.seq if previous_row else 0
    previous = bytes(previous_row.hash) if previous_row else chain.ZERO_HASH
    if row.seq != seq + 1 and not _is_epoch_start(row, previous_row, epoch_starts):
        yield Finding("seq_has_no_gaps", row.user_id, row.seq, str(seq + 1), str(row.seq))
    if previous_row and row.position <= previous_row.position:
        expected = f"more than {previous_row.position}"
        yield Finding("position_rises", row.user_id, row.seq, expected, str(row.position))
    expected_hash = chain.compute_hash(
        previous,
        seq=row.seq,
        type=row.type,
        timestamp=chain.format_timestamp(row.created_at),
        data=json.loads(row.data),
    )
    if bytes(row.hash) != expected_hash:
        actual_hash = bytes(row.hash).hex()
        yield Finding("hash_chains", row.user_id, row.seq, expected_hash.hex(), actual_hash)


def _is_epoch_start(
    row: _LogRow, previous_row: _LogRow | None, epoch_starts: Mapping[int, int]
) -> bool:
    epoch = epochs.get_epoch_of(row.seq)
    if previous_row is None or epoch not in epoch_starts or row.seq != epochs.get_first_seq(epoch):
        return False
    return previous_row.position < epoch_starts[epoch] <= row.position


def _check_head(last: _LogRow, head: EventHead | None) -> Iterator[Finding]:
    expected = f"{last.seq} {bytes(last.hash).hex()}"
    actual = f"{head.seq} {bytes(head.hash).hex()}" if head else "none"
    if expected != actual:
        yield Finding("head_is_the_last", last.user_id, last.seq, expected, actual)
