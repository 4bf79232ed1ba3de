"""Search spoken words for fillers and for words said twice by somebody who began again.

A word counts as it is shown: a user who has corrected what was heard knows what was said.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import eq, itemgetter

from projects.timeline.content import Segment, Word

IN_ANY_LANGUAGE = ("äh", "ähm", "ahm", "erm", "hm", "hmm", "öh", "öhm", "uh", "uhh", "uhm")
"""Words of no language that is spoken widely: ``um`` and ``er`` are words of some."""
BY_LANGUAGE = {
    "de": (*IN_ANY_LANGUAGE, "eh", "ehm", "mh", "mhh"),
    "en": (*IN_ANY_LANGUAGE, "ah", "er", "err", "um", "umm"),
}
"""By ISO 639."""
UNMARKED_FIELDS = len(Word.__required_keys__)
"""How many fields a word has that nobody has edited or deleted."""


class _PlainWords(dict[str, str]):
    """A cache of words without case and punctuation."""

    def __missing__(self, text: str) -> str:
        folded = unicodedata.normalize("NFKC", text).casefold()
        plain = self[text] = "".join(filter(str.isalnum, folded))
        return plain


def plain(text: str) -> str:
    """Return a word without case and punctuation."""
    return _PlainWords()[text]


def language_of(segment: Segment) -> str:
    """Return the first part of the segment's language tag, or an empty string."""
    return segment.get("language", "").partition("-")[0].lower()


@dataclass(frozen=True)
class Search:
    """A search for these fillers, or those of each segment's language; with repeats or without."""

    words: Iterable[str] | None
    repeats: bool

    def find_indexes(self, segments: Sequence[Segment]) -> list[list[int]]:
        """Return for each segment the indexes of its matching words."""
        plain_words = _PlainWords()
        chosen = None if self.words is None else frozenset(map(plain_words.__getitem__, self.words))
        by_language = {name: frozenset(words) for name, words in BY_LANGUAGE.items()}
        default = frozenset(IN_ANY_LANGUAGE)
        return [
            self._find_in_segment(
                segment["words"],
                by_language.get(language_of(segment), default) if chosen is None else chosen,
                plain_words,
            )
            for segment in segments
        ]

    def _find_in_segment(
        self, words: Sequence[Word], fillers: frozenset[str], plain_words: _PlainWords
    ) -> list[int]:
        if words and max(map(len, words)) == UNMARKED_FIELDS:
            # No word is edited or deleted: passes in C tell that most segments have no match.
            texts = list(map(plain_words.__getitem__, map(itemgetter("word"), words)))
            has_repeat = self.repeats and any(map(eq, texts, texts[1:]))
            if not has_repeat and fillers.isdisjoint(texts):
                return []
        matches = []
        last: tuple[int, str] | None = None
        for index, word in enumerate(words):
            text = word.get("edited_word", word["word"])
            if word.get("deleted") or not plain_words[text]:
                continue
            if plain_words[text] in fillers:
                matches.append(index)
                continue
            if self.repeats and last is not None and _is_repeat(last[1], text, plain_words):
                matches.append(last[0])
            last = (index, text)
        return sorted(matches)


def _is_repeat(first: str, second: str, plain_words: _PlainWords) -> bool:
    """Return True if somebody began again: not a new sentence, and not a number digit by digit."""
    ends_sentence = first.endswith((".", "!", "?")) and not first.endswith("..")
    is_same = plain_words[first] == plain_words[second]
    return is_same and not ends_sentence and not plain_words[first].isdigit()
