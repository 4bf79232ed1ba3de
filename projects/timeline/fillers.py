"""Which words of what is said are fillers, or said twice by somebody who began again.

A word counts as it is shown: who has corrected what was heard knows what was said.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import eq, itemgetter

from projects.timeline.content import Segment, Word

IN_ANY_LANGUAGE = ("äh", "ähm", "ahm", "erm", "hm", "hmm", "öh", "öhm", "uh", "uhh", "uhm")
"""Words of no language that is spoken widely: ``um`` is none of them, nor is ``er``."""
BY_LANGUAGE = {
    "de": (*IN_ANY_LANGUAGE, "eh", "ehm", "mh", "mhh"),
    "en": (*IN_ANY_LANGUAGE, "ah", "er", "err", "um", "umm"),
}
"""By ISO 639."""
UNMARKED = len(Word.__required_keys__)
"""How many fields a word has that nobody has edited or deleted."""
_HEARD = itemgetter("word")


class _Plain(dict[str, str]):
    """Words without case and punctuation, each worked out once."""

    def __missing__(self, text: str) -> str:
        folded = unicodedata.normalize("NFKC", text).casefold()
        plain = self[text] = "".join(filter(str.isalnum, folded))
        return plain


def plain(text: str) -> str:
    """A word without case and punctuation."""
    return _Plain()[text]


def language_of(segment: Segment) -> str:
    """The first part of its tag; empty where none is told."""
    return segment.get("language", "").partition("-")[0].lower()


@dataclass(frozen=True)
class Search:
    """What is looked for: these fillers, or those of each segment's language; repeats or not."""

    words: Iterable[str] | None
    repeats: bool

    def places(self, segments: Sequence[Segment]) -> list[list[int]]:
        """Of each segment, the indexes of the words that are found."""
        known = _Plain()
        given = None if self.words is None else frozenset(known[word] for word in self.words)
        lists = {name: frozenset(words) for name, words in BY_LANGUAGE.items()}
        default = frozenset(IN_ANY_LANGUAGE)
        return [
            self._in(
                segment["words"],
                lists.get(language_of(segment), default) if given is None else given,
                known,
            )
            for segment in segments
        ]

    def _in(self, words: Sequence[Word], fillers: frozenset[str], known: _Plain) -> list[int]:
        if words and max(map(len, words)) == UNMARKED:
            said = list(map(known.__getitem__, map(_HEARD, words)))
            twice = self.repeats and any(map(eq, said, said[1:]))
            if not twice and fillers.isdisjoint(said):
                return []
        return sorted(self._found(words, fillers, known))

    def _found(self, words: Sequence[Word], fillers: frozenset[str], known: _Plain) -> list[int]:
        found = []
        last: tuple[int, str] | None = None
        for index, word in enumerate(words):
            text = word.get("edited_word", word["word"])
            if word.get("deleted") or not known[text]:
                continue
            if known[text] in fillers:
                found.append(index)
                continue
            if self.repeats and last is not None and _is_repeat(last[1], text, known):
                found.append(last[0])
            last = (index, text)
        return found


def _is_repeat(one: str, other: str, known: _Plain) -> bool:
    """Whether somebody has begun again: not with a new sentence, and no number has two digits."""
    ended = one.endswith((".", "!", "?")) and not one.endswith("..")
    return known[one] == known[other] and not ended and not known[one].isdigit()
