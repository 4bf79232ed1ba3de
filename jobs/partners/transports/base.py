"""What all transports have in common: messages, answers, and what can go wrong.

A transport is for one thread of one process, and connects when it is first used: never make one
before a fork (librdkafka works in threads, which a fork would lose).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from gpu_tasks.runtime.errors import AuteurError

MAX_MESSAGE_BYTES = 1024 * 1024
"""Of a message that somebody reads; what is longer is set aside."""
MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""Of an answer; the words of ten hours of speech are about six million bytes."""
MAX_KEPT_BYTES = 64 * 1024
"""Of a longer message, in the dead letters: only to be recognised."""
MAX_REASON_CHARACTERS = 500
MAX_AT_ONCE = 100
"""Messages that one transport has given out and that were not acknowledged."""
ANSWER_SECONDS = 10.0
"""For a broker to answer anything."""


class TransportError(AuteurError):
    """Nothing, or not everything, was done; the text holds no secret."""

    def __init__(self, text: str, *, is_outage: bool) -> None:
        super().__init__(text)
        self.is_outage = is_outage
        """It passes by itself: wait, and do the same again. Otherwise the text says what to do."""


class AnswerTooLargeError(TransportError):
    """The broker takes no message of this size."""

    def __init__(self, text: str) -> None:
        super().__init__(text, is_outage=False)


@dataclass(frozen=True)
class Message:
    """One that a partner sent."""

    topic: str
    key: bytes | None
    value: bytes
    coordinates: str
    """Of it in the partner's broker: no other has them, and it keeps them if it comes again.

    Longer than the topic by 55 characters at most.
    """
    receipt: Any = field(default=None, repr=False, compare=False)
    """By which the transport that gave it knows it."""


@dataclass(frozen=True)
class Answer:
    """One for a partner."""

    topic: str
    key: str
    value: bytes
    id: str
    """The same each time that it is sent."""


class Transport(Protocol):
    """A partner's broker. Every method but `close` raises ``TransportError``.

    After an error it may be used on: it connects again by itself.
    """

    def check(self) -> None:
        """Return if it answers, takes the credentials and has the topics that are read."""

    def receive(self, seconds: float, most: int) -> Sequence[Message]:
        """Wait as long for messages; at most ``most``, or ``MAX_AT_ONCE``, none if there are none.

        Those that it gave before and that were not acknowledged come first, without waiting. What
        a process that died had not acknowledged comes to another one of the group.
        """

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """They do not come again, unless the broker meanwhile gave them to another process."""

    def set_aside(self, message: Message, reason: str) -> None:
        """Put it among the dead letters, then acknowledge it."""

    def send_again(self, most: int) -> int:
        """Put dead letters back where they came from, as new messages; how many.

        Those that were too long are left out: only their beginnings were kept.
        """

    def mark(self, topic: str) -> str:
        """Where a topic ends now, for `was_sent`; to be noted before anything is sent."""

    def send(self, answer: Answer) -> None:
        """Return once the broker has it for good. After an error it may have it all the same."""

    def was_sent(self, answer: Answer, since: str | None) -> bool | None:
        """Whether it was sent after that `mark`; None where the broker cannot tell.

        Ask ``ANSWER_SECONDS`` after a try at the earliest: until then it may still arrive.
        """

    def close(self) -> None:
        """Disconnect; what was not acknowledged comes to another process soon."""
