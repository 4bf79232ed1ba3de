"""How media came to be, in the words of IPTC, and what follows for what is made of it."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"


class SourceType(StrEnum):
    """Digital source types (https://cv.iptc.org/newscodes/digitalsourcetype/) that we tell."""

    TRAINED_ALGORITHMIC_MEDIA = "trainedAlgorithmicMedia"
    ALGORITHMIC_MEDIA = "algorithmicMedia"
    COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA = "compositeWithTrainedAlgorithmicMedia"
    COMPOSITE_SYNTHETIC = "compositeSynthetic"
    COMPOSITE = "composite"

    @property
    def uri(self) -> str:
        return VOCABULARY + self.value

    @property
    def is_synthetic(self) -> bool:
        """Whether there is something in it that nobody recorded or drew."""
        return self is not SourceType.COMPOSITE


TRAINED = frozenset(
    {SourceType.TRAINED_ALGORITHMIC_MEDIA, SourceType.COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA}
)


class Synthesis(StrEnum):
    """How much of a feature's results is generated."""

    WHOLE = "whole"
    PART = "part"
    NONE = "none"
    """Only what is generated of what they are made of."""


@dataclass(frozen=True)
class Making:
    """How a feature makes its results, declared once (`jobs.features.base.Feature.making`)."""

    synthesis: Synthesis
    action: str | None = None
    """What is done to the first source, of which the result is another version; None: the result
    is a work of its own."""


GENERATED = Making(Synthesis.WHOLE)
PERFORMED = Making(Synthesis.PART)
ALTERED = Making(Synthesis.PART, "c2pa.edited")
TRANSCODED = Making(Synthesis.NONE, "c2pa.transcoded")
ASSEMBLED = Making(Synthesis.NONE)


def find_source_type(value: object) -> SourceType | None:
    """The type of a name or URI; None for one that we do not tell ourselves."""
    name = str(value).removeprefix(VOCABULARY)
    return SourceType(name) if name in set(SourceType) else None


def source_type_of(
    making: Making, *, is_draft: bool, sources: Collection[SourceType | None]
) -> SourceType | None:
    """What a result is, made by an engine of media of these types (None: captured, or not known).

    A draft's engines are procedures that were trained on nothing.
    """
    if making.synthesis is Synthesis.WHOLE:
        return SourceType.ALGORITHMIC_MEDIA if is_draft else SourceType.TRAINED_ALGORITHMIC_MEDIA
    if making == TRANSCODED and len(sources) == 1:
        return next(iter(sources))
    is_part = making.synthesis is Synthesis.PART
    if TRAINED.intersection(sources) or (is_part and not is_draft):
        return SourceType.COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA
    if is_part or any(one is not None and one.is_synthetic for one in sources):
        return SourceType.COMPOSITE_SYNTHETIC
    return SourceType.COMPOSITE
