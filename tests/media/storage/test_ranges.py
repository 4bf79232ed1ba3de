import pytest

from media.storage.ranges import ByteRange, NotSatisfiableError, parse_range


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-", 0, 9),
        ("bytes=0-0", 0, 0),
        ("bytes=2-5", 2, 5),
        ("bytes=9-", 9, 9),
        ("bytes=5-10", 5, 9),
        ("bytes=5-999999999999999999", 5, 9),
        ("bytes=-1", 9, 9),
        ("bytes=-10", 0, 9),
        ("bytes=-11", 0, 9),
        ("Bytes = 2 - 5", 2, 5),
    ],
)
def test_one_range_of_ten_bytes(header: str, start: int, end: int) -> None:
    assert parse_range(header, 10) == ByteRange(start, end)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes=-",
        "bytes=5-2",
        "bytes=a-b",
        "items=0-1",
        "bytes=0-1,3-4",
        "bytes",
        "bytes=--1",
        "bytes=0-1\x00",
        "bytes=٣-٤",
        "bytes=" + "9" * 5000 + "-",
    ],
)
def test_what_is_not_understood_means_all(header: str) -> None:
    assert parse_range(header, 10) is None


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-20", "bytes=-0"])
def test_beyond_the_end(header: str) -> None:
    with pytest.raises(NotSatisfiableError):
        parse_range(header, 10)


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=-1"])
def test_nothing_to_take_a_range_of(header: str) -> None:
    with pytest.raises(NotSatisfiableError):
        parse_range(header, 0)
