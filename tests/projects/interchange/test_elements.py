"""Every element of each format is read, refused by name, or changes nothing in the film."""

import pytest
from django.conf import settings

from gpu_tasks.runtime.errors import InputRefusedError
from projects.interchange import foreign, limits, sandboxing, times
from projects.interchange.terms import ForeignTrack, Piece, parse_tracks
from tests.projects.interchange.elements import ELEMENTS
from tests.projects.interchange.elements.exports import FORMS, PARTS, Part
from tests.projects.interchange.elements.row import PLAIN, Element
from tests.projects.interchange.samples import SAMPLES, Sample
from tests.projects.interchange.test_round_trips import document, there_and_back


def shown(kind: str, piece: Piece) -> str:
    marks = {
        f"x{piece.speed}": piece.speed != 1,
        f"cross {piece.cross_fade_ms}": piece.cross_fade_ms,
        f"in {piece.fade_in_ms}": piece.fade_in_ms,
        f"out {piece.fade_out_ms}": piece.fade_out_ms,
        "off": not piece.enabled,
    }
    output = [f"{piece.source.names[0]} {piece.begin_ms}-{piece.end_ms} @{piece.in_ms}"]
    return " ".join([kind, *output, *(name for name, there in marks.items() if there)])


def film(tracks: list[ForeignTrack]) -> list[str]:
    return [shown(track.type, piece) for track in tracks for piece in track.pieces]


@pytest.mark.parametrize("element", ELEMENTS, ids=str)
def test_an_element_is_held_or_refused_by_name(element: Element) -> None:
    def tracks() -> list[ForeignTrack]:
        rate = times.get_exact_rate(element.rate)
        return sandboxing.get_tracks(foreign.read(element.text, element.form, rate))

    if element.fate in ("read", "left out"):
        expected = element.plays if element.fate == "read" else PLAIN
        assert film(tracks()) == [*expected]
    elif element.fate == foreign.UNREADABLE:
        with pytest.raises(InputRefusedError, match=foreign.UNREADABLE):
            tracks()
    else:
        with pytest.raises(limits.CannotHoldProblem) as raised:
            tracks()
        assert {item["what"] for item in raised.value.extra["items"]} == {element.fate}


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_a_sample_of_opentimelineio_plays_or_is_refused_by_name(sample: Sample) -> None:
    rate = times.get_exact_rate(sample.rate)
    if sample.fate == foreign.UNREADABLE:
        with pytest.raises(InputRefusedError, match=sample.says):
            foreign.read(sample.text, sample.form, rate)
        return
    answer = foreign.read(sample.text, sample.form, rate)

    fates = sorted({item["what"] for item in answer.get("foreign", [])}) or ["read"]
    assert ", ".join(fates) == sample.fate
    assert film(parse_tracks(answer.get("tracks", []))) == [*sample.plays]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("part", PARTS, ids=str)
def test_a_part_of_a_timeline_is_written_or_refused_by_name(part: Part, form: str) -> None:
    fate = part.fates[FORMS.index(form)]
    without, _ = limits.remove_effects([*part.tracks], part.leave_out)
    of = document(part.frame_rate, *(part.tracks if form == "otio" else without))

    if fate in ("written", "left out"):
        back = there_and_back(of, form)
        assert (part.look(back) == part.look(part.tracks)) == (fate == "written")
    else:
        with pytest.raises(limits.CannotHoldProblem) as raised:
            there_and_back(of, form)
        assert {item["what"] for item in raised.value.extra["items"]} == {fate}


def test_the_page_has_these_rows() -> None:
    page = (settings.BASE_DIR / "docs/interchange.md").read_text()
    titles = {"otio": "OpenTimelineIO", "fcp_xml": "FCP XML", "cmx3600": "CMX 3600"}
    imports = [(titles[element.form], element.name, element.fate) for element in ELEMENTS]
    exports = [(part.name, *part.fates) for part in PARTS]
    samples = [(f"`{sample.name}`", sample.fate, sample.why) for sample in SAMPLES]

    rows = [
        tuple(cell.strip() for cell in line.strip("|").split(" | "))
        for line in page.splitlines()
        if line.startswith("| ") and not line.startswith(("| element", "| sample"))
    ]

    assert rows == [*imports, *exports, *samples]
