"""Prepare text to be read aloud: clean it, and cut it into pieces at the ends of sentences."""

import re
import unicodedata
from collections.abc import Callable, Iterator

from gpu_tasks.runtime.errors import EngineError, ErrorCode

NOTHING_TO_SAY = "There is nothing in the text that can be read aloud."
UNSPOKEN_CATEGORIES = ("Cc", "Cf", "Cs", "Co", "Cn")
"""Control characters, invisible ones, surrogates, and unassigned or private ones."""
JOINERS = "\u200c\u200d"
"""Invisible, but part of the spelling in Persian and in Indian languages."""
SPOKEN_SIGNS = "%&@#*+="
PLAIN = str.maketrans(
    {
        "\u2018": "'",
        "\u2019": "'",
        "\u201a": ",",
        "\u201c": '"',
        "\u201d": '"',
        "\u201e": '"',
        "«": '"',
        "»": '"',
        "\u2010": "-",
        "\u2011": "-",
        "–": ", ",
        "—": ", ",
        "…": "...",
    }
)
"""Typographic signs that some synthesisers do not know."""

SENTENCE_END = re.compile(r"(?<=[.!?…।؟])[\"')\]]*\s+|(?<=[。！？])\s*")
CLAUSE_END = re.compile(r"(?<=[,;:])\s+|(?<=[、，；：])\s*")
WORD_END = re.compile(r"\s+")

Size = Callable[[str], int]


def clean(text: str) -> str:
    """Return the text without unreadable characters, one line per paragraph.

    Raise ``EngineError`` (INPUT_INVALID) if nothing readable is left.
    """
    composed = unicodedata.normalize("NFC", text).translate(PLAIN)
    lines = (
        " ".join("".join(map(_replace_hidden, line)).split()) for line in composed.splitlines()
    )
    result = "\n".join(line for line in lines if line)
    if not any(map(_is_spoken, result)):
        raise EngineError(ErrorCode.INPUT_INVALID, NOTHING_TO_SAY)
    return result


def join_paragraphs(text: str) -> str:
    """Return cleaned text with each line as a sentence; unreadable lines are left out."""
    lines = (line for line in text.splitlines() if any(map(_is_spoken, line)))
    return " ".join(f"{line}." if line[-1].isalnum() else line for line in lines)


def _replace_hidden(character: str) -> str:
    if character == "\t":
        return " "
    is_hidden = unicodedata.category(character) in UNSPOKEN_CATEGORIES and character not in JOINERS
    return "" if is_hidden else character


def _is_spoken(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LN" or category in {"So", "Sc"} or character in SPOKEN_SIGNS


def split_into_pieces(text: str, limit: int, size: Size = len) -> list[str]:
    """Return cleaned text in pieces of at most ``limit`` by ``size``: whole sentences if possible.

    A longer sentence is cut between clauses, else between words, else anywhere. Unreadable pieces
    are left out.
    """
    parts: list[str] = []
    for paragraph in text.splitlines():
        parts.extend(_join_parts(_split_text(paragraph, limit, size), limit, size))
    return [piece for piece in parts if any(map(_is_spoken, piece))]


def _split_text(text: str, limit: int, size: Size) -> Iterator[str]:
    """Yield parts within the limit, as large as their boundaries allow."""
    for boundary in (SENTENCE_END, CLAUSE_END, WORD_END):
        if size(text) <= limit:
            break
        parts = [part for part in boundary.split(text) if part]
        if len(parts) > 1:
            for part in parts:
                yield from _split_text(part, limit, size)
            return
    if size(text) <= limit:
        yield text
    else:
        yield from _split_anywhere(text, limit, size)


def _split_anywhere(text: str, limit: int, size: Size) -> Iterator[str]:
    part = ""
    for character in text:
        if part and size(part + character) > limit:
            yield part
            part = ""
        part += character
    yield part


def _join_parts(parts: Iterator[str], limit: int, size: Size) -> Iterator[str]:
    """Yield neighbouring parts joined while they fit: fewer pieces have fewer seams."""
    piece = ""
    for part in parts:
        joined = f"{piece} {part}" if piece else part
        if size(joined) > limit:
            yield piece
            joined = part
        piece = joined
    if piece:
        yield piece


def romanise(text: str) -> str:
    """Return the text in ASCII: accents dropped, letters of other scripts by their names.

    It is for a synthesiser that reads nothing else; characters without a name are left out.
    """
    return " ".join("".join(map(_romanise_character, text)).split())


def _romanise_character(character: str) -> str:
    if character.isascii():
        return character
    base = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    if base.strip():
        return base
    name = unicodedata.name(character, "")
    if not _is_spoken(character) or not re.fullmatch(r"[A-Z -]+", name):
        return " " if character.isspace() else ""
    words = name.split()
    # A letter is named "CYRILLIC SMALL LETTER PE": its sound comes last. A sign is its name.
    spoken_name = words[-1] if "LETTER" in words or "SYLLABLE" in words else name
    return f" {spoken_name.lower()} " if spoken_name is name else spoken_name.lower()
