"""Names that every system takes."""

import pytest

from media.file_names import DEVICES, MAX_BYTES, build_content_disposition, make_portable
from media.results import build_file_name

KEPT = [
    "film.mp4",
    "Fête, 1 & 2 (final) [b]'s.tar.gz",
    "фильм.mov",
    "映画.mp4",
    "👩‍👩‍👧.png",
    "film",
    "console.log",
    "com10.txt",
    "common.mp4",
    "a  b.mp4",
    "version 1.2 of ours",
    "..a..b.mp4"[2:],
]


@pytest.mark.parametrize("name", KEPT)
def test_what_every_system_takes_is_left_as_it_is(name: str) -> None:
    assert make_portable(name) == name


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ('../evil/\\name: "x"? * 1.png', "evil name x 1.png"),
        ("a<b>c|d.mp4", "a b c d.mp4"),
        ("a\x00\tb\x7f\x85.mp4", "a b.mp4"),
        ("invoice\u202egpj.exe", "invoice gpj.exe"),
        (" .film. .mp4. ", "film.mp4"),
        ("film .mp4", "film.mp4"),
        (".mp4", "untitled.mp4"),
        ("???.mp4", "untitled.mp4"),
        ("..", "untitled"),
        ("CON", "_CON"),
        ("nul.tar.gz", "_nul.tar.gz"),
        ("Com1 .mp4", "_Com1.mp4"),
        ("lpt³.mp4", "_lpt³.mp4"),
    ],
)
def test_what_some_system_does_not_take_is_replaced(given: str, named: str) -> None:
    assert make_portable(given) == named
    assert make_portable(named) == named


@pytest.mark.parametrize("device", sorted(DEVICES))
@pytest.mark.parametrize("ending", ["", ".mp4", ".a.b", " ", ".", ":x"])
def test_no_device_is_named(device: str, ending: str) -> None:
    portable = make_portable(device.lower() + ending)
    assert portable.partition(".")[0].rstrip().upper() not in DEVICES


@pytest.mark.parametrize("letter", ["a", "é", "映", "👩", ". "])
def test_long_names_keep_their_extension(letter: str) -> None:
    for shift in range(4):
        portable = make_portable("x" * shift + "y" + letter * 300 + ".jpeg")
        assert len(portable.encode()) <= MAX_BYTES
        assert portable.endswith(".jpeg")
        assert not portable.endswith((" .jpeg", "..jpeg"))
    assert len(make_portable("a." + letter * 300).encode()) <= MAX_BYTES


def test_downloads_are_named_so() -> None:
    assert build_content_disposition("a/b?.mp4") == 'attachment; filename="a b.mp4"'
    assert build_content_disposition("") == build_content_disposition(None) == "attachment"


@pytest.mark.parametrize(
    ("title", "label", "number", "named"),
    [
        ("interview", "lip sync", None, "interview, lip sync.mp4"),
        ('../evil/\\name: "x"? *', "", 1, "evil name x 1.mp4"),
        ("two\nlines  apart", "", None, "two lines apart.mp4"),
        ("CON", "", None, "_CON.mp4"),
        ("Wait...", "", None, "Wait.mp4"),
        ("?", "speech", None, "untitled, speech.mp4"),
    ],
)
def test_results_are_named_so(title: str, label: str, number: int | None, named: str) -> None:
    assert build_file_name(title, label, "video/mp4", number) == named


@pytest.mark.parametrize("letter", ["a", "👩"])
def test_a_long_title_leaves_room_for_what_tells_results_apart(letter: str) -> None:
    file_name = build_file_name(letter * 300, "compressed", "video/mp4", 12)
    assert file_name.endswith(f"{letter}, compressed 12.mp4")
    assert len(file_name.encode()) <= MAX_BYTES
