"""What a person asks a model for: one line of readable text."""

import unicodedata

from gpu_tasks.runtime.errors import EngineError, ErrorCode

MAX_PROMPT_CHARACTERS = 2000
UNREADABLE = frozenset({"Cc", "Cf", "Cs"})
"""Unicode's categories of control characters, of invisible ones and of halves of characters."""
JOINERS = "\u200c\u200d"
"""Invisible, but part of how words and emoji are spelt."""


def to_readable(prompt: str) -> str:
    """The prompt without control characters, its white space single; empty if nothing is left."""
    kept = "".join(one if _is_readable(one) else " " for one in prompt)
    line = " ".join(kept.split())
    return line if line.strip(JOINERS + " ") else ""


def clean_prompt(prompt: str) -> str:
    """The readable prompt; raises ``EngineError`` INPUT_INVALID where it is empty or too long."""
    line = to_readable(prompt)
    if not line:
        raise EngineError(ErrorCode.INPUT_INVALID, "The prompt is empty.")
    if len(line) > MAX_PROMPT_CHARACTERS:
        raise EngineError(
            ErrorCode.INPUT_INVALID,
            f"The prompt is too long: at most {MAX_PROMPT_CHARACTERS} characters.",
        )
    return line


def _is_readable(character: str) -> bool:
    return character in JOINERS or unicodedata.category(character) not in UNREADABLE
