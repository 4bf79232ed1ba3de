"""What targets mean, and their bounds."""

import pytest
from pydantic import ValidationError

from gpu_tasks.compression.contract import MAX_TARGET_BYTES, MIN_TARGET_BYTES
from tests.gpu_tasks.compression.calls import payload


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("web", "web"),
        ("archive", "archive"),
        (" Web ", "web"),
        (25_000_000, 25_000_000),
        ("25000000", 25_000_000),
        ("25MB", 25_000_000),
        ("25 mb", 25_000_000),
        (" 1.5 GB ", 1_500_000_000),
        ("700kB", 700_000),
        ("25 MiB", 26_214_400),
        ("0.5GiB", 536_870_912),
        ("20000 B", 20_000),
        (MIN_TARGET_BYTES, MIN_TARGET_BYTES),
        (MAX_TARGET_BYTES, MAX_TARGET_BYTES),
        ("100GB", MAX_TARGET_BYTES),
    ],
)
def test_targets(text: object, meant: object):
    assert payload(text).target == meant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Webb",
        "small",
        "MB",
        "25 megabytes",
        "25 M B",
        "-5MB",
        "1e9",
        "1,5 MB",
        "٢٥MB",
        "nan",
        "9" * 13,
        "1.1234567MB",
        None,
        True,
        25_000_000.0,
        ["web"],
        MIN_TARGET_BYTES - 1,
        MAX_TARGET_BYTES + 1,
        "9.999kB",
        "100.000001GB",
        0,
        -1,
    ],
)
def test_what_is_no_target_is_refused(text: object):
    with pytest.raises(ValidationError):
        payload(text)


def test_a_size_goes_with_no_codec():
    assert payload("archive", codec="av1").codec == "av1"
    with pytest.raises(ValidationError, match="no codec"):
        payload("25MB", codec="av1")
