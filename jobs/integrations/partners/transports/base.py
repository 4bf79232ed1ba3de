"""Define what all transports have in common: messages, answers and errors.

A transport belongs to one thread of one process, and connects when it is first used. Never create
one before a fork, because librdkafka works in threads, which a fork would lose.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from gpu_tasks.runtime.errors import AuteurError

MAX_MESSAGE_BYTES = 1024 * 1024
"""The limit of a message. Longer messages become dead letters."""
MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""The limit of an answer. The words of ten hours of speech are about six million bytes."""
MAX_DEAD_LETTER_BYTES = 64 * 1024
"""How much of a longer message its dead letter has, so that people can recognise it."""
MAX_REASON_CHARACTERS = 500
MAX_UNACKNOWLEDGED = 100
"""How many unacknowledged messages one transport may have."""
ANSWER_SECONDS = 10.0
"""The timeout of every answer of a broker."""


class TransportError(AuteurError):
    """Raised if an operation was not done, or not completely. The text has no secret."""

    def __init__(self, text: str, *, is_outage: bool) -> None:
        super().__init__(text)
        self.is_outage = is_outage
        """True if waiting and repeating is enough. Otherwise the text says what to change."""


class AnswerTooLargeError(TransportError):
    """Raised if the broker does not accept an answer of this size."""

    def __init__(self, text: str) -> None:
        super().__init__(text, is_outage=False)


@dataclass(frozen=True)
class Message:
    """A message that a partner sent."""

    topic: str
    key: bytes | None
    value: bytes
    coordinates: str
    """The unique place in the partner's broker. A repeated message has the same coordinates.

    They are at most 55 characters longer than the topic.
    """
    receipt: Any = field(default=None, repr=False, compare=False)
    """The value by which the transport identifies the message."""


@dataclass(frozen=True)
class Answer:
    """An answer to a partner."""

    topic: str
    key: str
    value: bytes
    id: str
    """The same id each time the answer is sent."""


class Transport(Protocol):
    """A connection to a partner's broker. Every method but `close` raises ``TransportError``.

    After an error it stays usable, because it reconnects by itself.
    """

    def check(self) -> None:
        """Check that the broker answers, accepts the credentials and has the topics to read."""

    def receive(self, seconds: float, limit: int) -> Sequence[Message]:
        """Return up to ``limit`` messages; wait ``seconds`` for them.

        At most ``MAX_UNACKNOWLEDGED`` messages are returned and not acknowledged. Messages that
        were returned before and not acknowledged come first, without waiting. Those of a dead
        process go to another process of the group.
        """

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Acknowledge messages. They repeat only if another process has received them meanwhile."""

    def set_aside(self, message: Message, reason: str) -> None:
        """Store a message as a dead letter, then acknowledge it."""

    def send_again(self, limit: int) -> int:
        """Send dead letters back to their topics as new messages. Return how many.

        Shortened dead letters are left out.
        """

    def mark(self, topic: str) -> str:
        """Return the current end of a topic, for `was_sent`. Store it before sending anything."""

    def send(self, answer: Answer) -> None:
        """Send an answer. Return once the broker has stored it.

        After an error the broker may have stored it as well.
        """

    def was_sent(self, answer: Answer, since: str | None) -> bool | None:
        """Return True if the answer was sent after `mark`, or None if the broker cannot tell.

        Call it ``ANSWER_SECONDS`` after a try at the earliest: until then the answer may arrive.
        """

    def close(self) -> None:
        """Disconnect. Unacknowledged messages soon go to another process."""
