"""Listeners tell what they missed: a check that could not fail would prove nothing."""

from collections.abc import Iterator, Sequence

import pytest

from docs.examples.verify_events import next_hash
from tests.chaos.listeners import EPOCH, NO_HASH, Event, Listener


def log(count: int) -> list[Event]:
    events: list[Event] = []
    expected = NO_HASH
    for seq in range(1, count + 1):
        event = {"seq": seq, "type": "job.started", "timestamp": "now", "data": {"n": seq}}
        expected = next_hash(expected, event)
        events.append(event | {"hash": expected})
    return events


class Replay(Listener):
    name = "replay"

    def __init__(self, events: Sequence[Event]) -> None:
        super().__init__("", "")
        self._events = events

    def hear(self) -> Iterator[Event]:
        yield from self._events
        self.stop()


def heard(events: Sequence[Event]) -> Replay:
    replay = Replay(events)
    replay.start()
    replay._thread.join(60)
    return replay


def test_who_hears_all_is_content() -> None:
    replay = heard(log(3))
    assert (replay.seq, replay.hash, replay.wrong) == (3, log(3)[-1]["hash"], [])


@pytest.mark.parametrize(
    ("events", "complaint"),
    [
        ([log(3)[0], log(3)[2]], "event 3 after 1"),
        ([*log(2), log(2)[1]], "event 2 after 2"),
        ([log(1)[0] | {"data": {"n": 7}}], "the hash of event 1 does not follow"),
    ],
)
def test_a_gap_a_double_and_a_change_are_seen(events: Sequence[Event], complaint: str) -> None:
    assert any(complaint in wrong for wrong in heard(events).wrong)


def test_after_a_restore_it_goes_on_in_the_new_epoch() -> None:
    first = {"seq": EPOCH + 1, "type": "job.started", "timestamp": "now", "data": {}}
    events = [*log(2), first | {"hash": next_hash(log(2)[-1]["hash"], first)}]
    assert heard(events).wrong == []
    assert heard(events).seq == EPOCH + 1
    changed = [*log(2), events[-1] | {"hash": NO_HASH}]
    assert heard(changed).wrong == [f"replay: the hash of event {EPOCH + 1} does not follow"]


def test_what_a_restore_has_lost_is_not_chained_to() -> None:
    replay = Replay([])
    replay.go_on_after(EPOCH)
    replay._take({"seq": EPOCH + 1, "hash": "any"})
    assert (replay.wrong, replay.seq, replay.hash) == ([], EPOCH + 1, "any")
