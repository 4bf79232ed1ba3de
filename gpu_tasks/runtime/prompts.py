"""Prompts: one line of readable text by which a user instructs a model."""

import unicodedata

from gpu_tasks.runtime.errors import EngineError, ErrorCode

MAX_PROMPT_CHARACTERS = 2000
UNREADABLE = frozenset({"Cc", "Cf", "Cs"})
"""Unicode's categories of control characters, invisible characters and surrogates."""
JOINERS = "\u200c\u200d"
"""Invisible characters that belong to the spelling of words and emoji."""


def to_readable(prompt: str) -> str:
    """Remove control characters and collapse white space; the result may be empty."""
    text = "".join(character if _is_readable(character) else " " for character in prompt)
    line = " ".join(text.split())
    return line if line.strip(JOINERS + " ") else ""


def clean_prompt(prompt: str) -> str:
    """Return the readable prompt.

    Raises ``EngineError`` INPUT_INVALID if it is empty or too long.
    """
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
