"""Enforce the size limits of answers and dead letters."""

from jobs.integrations.partners.transports.base import (
    MAX_ANSWER_BYTES,
    MAX_DEAD_LETTER_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_REASON_CHARACTERS,
    Answer,
    AnswerTooLargeError,
    Message,
)


def check_size(answer: Answer) -> None:
    """Check the size of an answer. Raise ``AnswerTooLargeError``."""
    if len(answer.value) > MAX_ANSWER_BYTES:
        raise AnswerTooLargeError(
            f"The answer is too large to be sent: it has {len(answer.value)} bytes"
        )


def truncate_message(message: Message) -> tuple[bytes, bool]:
    """Return the part of a message that its dead letter has, and True if that is all of it."""
    is_whole = len(message.value) <= MAX_MESSAGE_BYTES
    return (message.value if is_whole else message.value[:MAX_DEAD_LETTER_BYTES]), is_whole


def truncate_reason(text: str) -> str:
    """Return the reason as a dead letter states it, shortened."""
    return text[:MAX_REASON_CHARACTERS]
