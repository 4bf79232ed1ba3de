"""Describe how media was made in IPTC's terms, and derive the terms for jobs' results."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"


class SourceType(StrEnum):
    """A digital source type (https://cv.iptc.org/newscodes/digitalsourcetype/) that we use."""

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
        """True if some of the media was generated rather than recorded or drawn."""
        return self is not SourceType.COMPOSITE


TRAINED = frozenset(
    {SourceType.TRAINED_ALGORITHMIC_MEDIA, SourceType.COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA}
)


class Synthesis(StrEnum):
    """The share of a feature's results that the feature generates."""

    WHOLE = "whole"
    PART = "part"
    NONE = "none"
    """Results contain only the generated content of their sources."""


@dataclass(frozen=True)
class Making:
    """The way a feature makes its results, declared in `jobs.features.base.Feature.making`."""

    synthesis: Synthesis
    action: str | None = None
    """The C2PA action that makes a version of the first source; None if the result is new work."""


GENERATED = Making(Synthesis.WHOLE)
PERFORMED = Making(Synthesis.PART)
ALTERED = Making(Synthesis.PART, "c2pa.edited")
TRANSCODED = Making(Synthesis.NONE, "c2pa.transcoded")
ASSEMBLED = Making(Synthesis.NONE)


def find_source_type(value: object) -> SourceType | None:
    """Return the type of a name or URI, or None for one that we do not use."""
    name = str(value).removeprefix(VOCABULARY)
    return SourceType(name) if name in set(SourceType) else None


def derive_source_type(
    making: Making, *, is_draft: bool, sources: Collection[SourceType | None]
) -> SourceType | None:
    """Return the source type of a result made of media of these types (None: captured or unknown).

    Draft engines are algorithms without training.
    """
    if making.synthesis is Synthesis.WHOLE:
        return SourceType.ALGORITHMIC_MEDIA if is_draft else SourceType.TRAINED_ALGORITHMIC_MEDIA
    if making == TRANSCODED and len(sources) == 1:
        return next(iter(sources))
    is_part = making.synthesis is Synthesis.PART
    if TRAINED.intersection(sources) or (is_part and not is_draft):
        return SourceType.COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA
    if is_part or any(source is not None and source.is_synthetic for source in sources):
        return SourceType.COMPOSITE_SYNTHETIC
    return SourceType.COMPOSITE
