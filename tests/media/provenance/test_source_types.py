"""What a result is, from how it is made and of what."""

import pytest

from media.provenance.source_types import (
    ALTERED,
    ASSEMBLED,
    GENERATED,
    PERFORMED,
    TRANSCODED,
    Making,
    SourceType,
    derive_source_type,
    find_source_type,
)

TRAINED = SourceType.TRAINED_ALGORITHMIC_MEDIA
DRAFT = SourceType.ALGORITHMIC_MEDIA
WITH_TRAINED = SourceType.COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA
SYNTHETIC = SourceType.COMPOSITE_SYNTHETIC
COMPOSITE = SourceType.COMPOSITE


@pytest.mark.parametrize(
    ("making", "is_draft", "sources", "expected"),
    [
        (GENERATED, False, [], TRAINED),
        (GENERATED, True, [], DRAFT),
        (GENERATED, True, [TRAINED], DRAFT),
        (ALTERED, False, [None, None], WITH_TRAINED),
        (ALTERED, True, [None, None], SYNTHETIC),
        (ALTERED, True, [None, TRAINED], WITH_TRAINED),
        (PERFORMED, False, [None, None], WITH_TRAINED),
        (TRANSCODED, True, [None], None),
        (TRANSCODED, True, [TRAINED], TRAINED),
        (TRANSCODED, True, [DRAFT], DRAFT),
        (TRANSCODED, True, [], COMPOSITE),
        (ASSEMBLED, True, [None, None], COMPOSITE),
        (ASSEMBLED, True, [None, COMPOSITE], COMPOSITE),
        (ASSEMBLED, True, [None, DRAFT], SYNTHETIC),
        (ASSEMBLED, False, [None, SYNTHETIC], SYNTHETIC),
        (ASSEMBLED, True, [DRAFT, WITH_TRAINED], WITH_TRAINED),
    ],
)
def test_what_is_generated_stays_so_through_any_lineage(
    making: Making, is_draft: bool, sources: list, expected: SourceType | None
):
    assert derive_source_type(making, is_draft=is_draft, sources=sources) is expected


def test_types_are_known_by_name_and_address():
    assert find_source_type(TRAINED.value) is find_source_type(TRAINED.uri) is TRAINED
    assert find_source_type("digitalCapture") is find_source_type(None) is None
