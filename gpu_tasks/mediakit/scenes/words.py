"""What a prompt asks for, by its words: things, places, hours, weather, moods and colours."""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from PIL import ImageColor

MAX_OF_A_KIND = 24
SEVERAL = 5
"""How many are shown of a plural without a number."""
QUOTED = re.compile(r"[\"“”«»]([^\"“”«»]{1,60})[\"“”«»]|(?<!\w)['‘]([^'‘’]{1,60})['’](?!\w)")
WORD = re.compile(r"[^\W_]+(?:['’]\w+)?")
LONGEST_TERM = 3


def _pairs(table: str) -> dict[str, str]:
    words = table.split()
    return dict(zip(words[::2], words[1::2], strict=True))


NUMBERS = _pairs("""
    one 1  single 1  lone 1  two 2  pair 2  both 2  three 3  few 3  four 4  five 5  several 5
    some 5  six 6  seven 7  eight 8  nine 9  ten 10  twelve 12  dozen 12  many 12  lots 12
    flock 14  swarm 14  school 14  herd 14  hundreds 14  countless 14  fleet 14  couple 2  men 3
    women 3  people 4  children 4  village 5  geese 5  crowd 12
""")
"""Words for several, some of them things themselves, and how many are shown."""
COLOURS = {name: name for name in ImageColor.colormap} | _pairs("""
    scarlet crimson  golden goldenrod  emerald mediumseagreen  rose palevioletred  cream cornsilk
    bronze peru  copper sienna
""")
"""The words for colours, and what CSS calls them."""
VOCABULARY = {
    term.replace("_", " "): (kind, name)
    for line in Path(__file__).with_name("words.txt").read_text().splitlines()[1:]
    for kind, name, *others in [line.split()]
    for term in (name, *others)
}
"""Every term that is understood, with its kind and the name of what it means."""


@dataclass(frozen=True)
class Named:
    """A thing or place of the prompt, with how many there are and in which colour, if said."""

    name: str
    count: int | None = None
    colour: str | None = None


@dataclass
class Description:
    """What was understood of a prompt, in its order."""

    named: dict[str, list[Named]] = field(default_factory=lambda: defaultdict(list))
    """By kind: ``thing``, ``place``, ``time``, ``weather`` and ``mood``."""
    colours: list[str] = field(default_factory=list)
    """Those that were said of no thing."""
    caption: str | None = None
    """What stood in quotes: to be written on a sign."""
    understood: list[str] = field(default_factory=list)
    """The words, each once."""
    shown: set[str] = field(default_factory=set)
    """The names of all that is drawn, also of what was not said; a scene sets it."""

    @property
    def names(self) -> set[str]:
        """Of all that was said, whatever it is."""
        return {one.name for named in self.named.values() for one in named}


def describe(prompt: str) -> Description:
    """Read a prompt; words that are not known are passed over."""
    description = Description()
    quoted = QUOTED.search(prompt)
    if quoted:
        description.caption = (quoted[1] or quoted[2]).strip() or None
        prompt = f"{prompt[: quoted.start()]} {prompt[quoted.end() :]}"
    words = [word.lower() for word in WORD.findall(prompt)]
    count = colour = None
    while words:
        text, term = _longest_term(words)
        words = words[text.count(" ") + 1 :]
        if term in VOCABULARY:
            kind, name = VOCABULARY[term]
            # A rose is a flower of its colour, lavender a field of its own.
            own = colour or (term if term in COLOURS else None)
            several = int(NUMBERS.get(term, 0 if term == text else SEVERAL))
            named = Named(name)
            if kind in ("thing", "place"):
                named, count, colour = Named(name, count or several or None, own), None, None
            description.named[kind].append(named)
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


def _longest_term(words: list[str]) -> tuple[str, str]:
    """The words that make the longest known term, and that; else the first word twice."""
    for length in range(min(len(words), LONGEST_TERM), 0, -1):
        text = " ".join(words[:length])
        for ending, instead in (("", ""), ("ies", "y"), ("ves", "f"), ("es", ""), ("s", "")):
            if text.endswith(ending) and text.removesuffix(ending) + instead in VOCABULARY:
                return text, text.removesuffix(ending) + instead
    return words[0], words[0]
