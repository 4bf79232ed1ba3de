"""What is sent, within its bounds."""

from jobs.partners.transports.base import (
    MAX_ANSWER_BYTES,
    MAX_KEPT_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_REASON_CHARACTERS,
    Answer,
    AnswerTooLargeError,
    Message,
)


def checked(answer: Answer) -> None:
    """Return if it may be sent; raises ``AnswerTooLargeError``."""
    if len(answer.value) > MAX_ANSWER_BYTES:
        raise AnswerTooLargeError(f"An answer has {len(answer.value)} bytes: too many to be sent")


def kept_of(message: Message) -> tuple[bytes, bool]:
    """What a dead letter keeps of a message, and whether that is all."""
    is_whole = len(message.value) <= MAX_MESSAGE_BYTES
    return (message.value if is_whole else message.value[:MAX_KEPT_BYTES]), is_whole


def reason_of(text: str) -> str:
    """As a dead letter tells it."""
    return text[:MAX_REASON_CHARACTERS]
