"""Text made ready to be read: cleaned, and cut into pieces at the ends of sentences."""

import re
import unicodedata
from collections.abc import Callable, Iterator

from gpu_tasks.runtime.errors import EngineError, ErrorCode

NOTHING_TO_SAY = "There is nothing in the text that can be read aloud."
UNSPOKEN = ("Cc", "Cf", "Cs", "Co", "Cn")
"""Control characters, invisible ones, halves of pairs, and what has no meaning."""
JOINERS = "\u200c\u200d"
"""Invisible, and part of how words are spelt in Persian and in Indian languages."""
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


def cleaned(text: str) -> str:
    """The text without what nobody says, one line per paragraph.

    Raises ``EngineError`` (INPUT_INVALID) where nothing is left to say.
    """
    composed = unicodedata.normalize("NFC", text).translate(PLAIN)
    lines = (" ".join(_visible(line).split()) for line in composed.splitlines())
    result = "\n".join(line for line in lines if line)
    if not any(map(_is_spoken, result)):
        raise EngineError(ErrorCode.INPUT_INVALID, NOTHING_TO_SAY)
    return result


def in_one_paragraph(text: str) -> str:
    """Cleaned text with each line as a sentence; lines with nothing to say are left out."""
    lines = (line for line in text.splitlines() if any(map(_is_spoken, line)))
    return " ".join(f"{line}." if line[-1].isalnum() else line for line in lines)


def _visible(line: str) -> str:
    return "".join(map(_shown, line))


def _shown(character: str) -> str:
    if character == "\t":
        return " "
    hidden = unicodedata.category(character) in UNSPOKEN and character not in JOINERS
    return "" if hidden else character


def _is_spoken(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LN" or category in {"So", "Sc"} or character in SPOKEN_SIGNS


def pieces(text: str, limit: int, size: Size = len) -> list[str]:
    """Cleaned text in pieces of at most ``limit``, as ``size`` measures: whole sentences if it can.

    A longer sentence is cut at a clause, else between words, else anywhere. Pieces without
    anything to say are left out.
    """
    found: list[str] = []
    for paragraph in text.splitlines():
        found.extend(_packed(_fitting(paragraph, limit, size), limit, size))
    return [piece for piece in found if any(map(_is_spoken, piece))]


def _fitting(text: str, limit: int, size: Size) -> Iterator[str]:
    """Parts that fit, as large as their boundaries allow."""
    for boundary in (SENTENCE_END, CLAUSE_END, WORD_END):
        if size(text) <= limit:
            break
        parts = [part for part in boundary.split(text) if part]
        if len(parts) > 1:
            for part in parts:
                yield from _fitting(part, limit, size)
            return
    if size(text) <= limit:
        yield text
    else:
        yield from _cut(text, limit, size)


def _cut(text: str, limit: int, size: Size) -> Iterator[str]:
    part = ""
    for character in text:
        if part and size(part + character) > limit:
            yield part
            part = ""
        part += character
    yield part


def _packed(parts: Iterator[str], limit: int, size: Size) -> Iterator[str]:
    """Neighbours put together while they fit: fewer pieces, fewer seams."""
    piece = ""
    for part in parts:
        joined = f"{piece} {part}" if piece else part
        if size(joined) > limit:
            yield piece
            joined = part
        piece = joined
    if piece:
        yield piece


def romanised(text: str) -> str:
    """The text in ASCII: accents dropped, letters of other scripts by their names.

    For a synthesiser that reads nothing else; what has no name to say is left out.
    """
    return " ".join("".join(map(_ascii, text)).split())


def _ascii(character: str) -> str:
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
    said = words[-1] if "LETTER" in words or "SYLLABLE" in words else name
    return f" {said.lower()} " if said is name else said.lower()
