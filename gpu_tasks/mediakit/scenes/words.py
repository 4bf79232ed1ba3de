"""Parsing of prompts into things, places, hours, weather, moods and colours."""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from PIL import ImageColor

MAX_OF_A_KIND = 24
PLURAL_COUNT = 5
"""The number of things in a plural without a number."""
QUOTED = re.compile(r"[\"“”«»]([^\"“”«»]{1,60})[\"“”«»]|(?<!\w)['‘]([^'‘’]{1,60})['’](?!\w)")
WORD = re.compile(r"[^\W_]+(?:['’]\w+)?")
LONGEST_TERM = 3


def _parse_pairs(table: str) -> dict[str, str]:
    words = table.split()
    return dict(zip(words[::2], words[1::2], strict=True))


NUMBERS = _parse_pairs("""
    one 1  single 1  lone 1  two 2  pair 2  both 2  three 3  few 3  four 4  five 5  several 5
    some 5  six 6  seven 7  eight 8  nine 9  ten 10  twelve 12  dozen 12  many 12  lots 12
    flock 14  swarm 14  school 14  herd 14  hundreds 14  countless 14  fleet 14  couple 2  men 3
    women 3  people 4  children 4  village 5  geese 5  crowd 12
""")
"""Words for numbers, some of them things themselves, and the number of things shown."""
COLOURS = {name: name for name in ImageColor.colormap} | _parse_pairs("""
    scarlet crimson  golden goldenrod  emerald mediumseagreen  rose palevioletred  cream cornsilk
    bronze peru  copper sienna
""")
"""The words for colours, and their CSS names."""
VOCABULARY = {
    term.replace("_", " "): (kind, name)
    for line in Path(__file__).with_name("words.txt").read_text().splitlines()[1:]
    for kind, name, *synonyms in [line.split()]
    for term in (name, *synonyms)
}
"""Every known term, with its kind and the name of its meaning."""


@dataclass(frozen=True)
class NamedItem:
    """A thing or place of the prompt, with its number and colour if the prompt states them."""

    name: str
    count: int | None = None
    colour: str | None = None


@dataclass
class Description:
    """The parsed content of a prompt, in its order."""

    items_by_kind: dict[str, list[NamedItem]] = field(default_factory=lambda: defaultdict(list))
    """Items by kind: ``thing``, ``place``, ``time``, ``weather`` and ``mood``."""
    colours: list[str] = field(default_factory=list)
    """Colours that belong to no thing."""
    caption: str | None = None
    """The text in quotes, which is written on a sign."""
    understood: list[str] = field(default_factory=list)
    """The recognised words, each once."""
    drawn_names: set[str] = field(default_factory=set)
    """The names of all that is drawn, including implied items. The scene sets it."""

    @property
    def names(self) -> set[str]:
        """Return the names of all items of the prompt."""
        return {item.name for items in self.items_by_kind.values() for item in items}


def parse_prompt(prompt: str) -> Description:
    """Parse a prompt; unknown words are ignored."""
    description = Description()
    quotation = QUOTED.search(prompt)
    if quotation:
        description.caption = (quotation[1] or quotation[2]).strip() or None
        prompt = f"{prompt[: quotation.start()]} {prompt[quotation.end() :]}"
    words = [word.lower() for word in WORD.findall(prompt)]
    count = colour = None
    while words:
        text, term = _match_longest_term(words)
        words = words[text.count(" ") + 1 :]
        if term in VOCABULARY:
            kind, name = VOCABULARY[term]
            # Some terms name a colour too: a rose or a field of lavender has its own.
            item_colour = colour or (term if term in COLOURS else None)
            default_count = int(NUMBERS.get(term, 0 if term == text else PLURAL_COUNT))
            item = NamedItem(name)
            if kind in ("thing", "place"):
                item = NamedItem(name, count or default_count or None, item_colour)
                count = colour = None
            description.items_by_kind[kind].append(item)
        elif text in COLOURS:
            description.colours += [colour] if colour else []
            colour = text
        elif text in NUMBERS or text.isdecimal():
            count = min(int(NUMBERS.get(text, text[:3])), MAX_OF_A_KIND) or None
        else:
            continue
        description.understood += [text] if text not in description.understood else []
    description.colours += [colour] if colour else []
    return description


def _match_longest_term(words: list[str]) -> tuple[str, str]:
    """Return the words of the longest known term, and that term; else the first word twice."""
    for length in range(min(len(words), LONGEST_TERM), 0, -1):
        text = " ".join(words[:length])
        for plural, singular in (("", ""), ("ies", "y"), ("ves", "f"), ("es", ""), ("s", "")):
            if text.endswith(plural) and text.removesuffix(plural) + singular in VOCABULARY:
                return text, text.removesuffix(plural) + singular
    return words[0], words[0]
