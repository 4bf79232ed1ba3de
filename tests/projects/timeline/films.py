"""Random timelines that rules allow, with what is said in them, for properties of all timelines."""

from typing import Any

from hypothesis import strategies as st

from projects.timeline.content import PERMILLE, Content
from tests.projects.timeline.making import MEDIA, OTHER_MEDIA, content, segment, track

SECONDS = 12
"""How much there is of each media file."""
RATES = (1, 1, 1, 0.5, 2, 1.333, 0.1, 3)
WORDS = ("so", "we", "went", "home", "and", "slept", "for", "days")
MAX_CLIPS = 5


@st.composite
def clips(draw: st.DrawFn, name: str) -> list[dict[str, Any]]:
    """Clips that touch, leave gaps or dissolve; touching ones often overlap in their source."""
    made: list[dict[str, Any]] = []
    end = draw(st.sampled_from([0, 0, 500, 1234]))
    free_from = 0  # the end of the clip before the last: no third one overlaps
    for index in range(draw(st.integers(1, MAX_CLIPS))):
        rate = draw(st.sampled_from(RATES))
        permille = round(rate * PERMILLE)
        begin = draw(st.integers(0, SECONDS * 1000 - 1200))
        out = draw(st.integers(begin + 600, min(begin + 6000, SECONDS * 1000)))
        duration = (out - begin) * PERMILLE // permille
        effects: list[dict[str, Any]] = [] if rate == 1 else [{"type": "speed", "rate": rate}]
        start = end + draw(st.sampled_from([0, 0, 0, 40, 700]))
        if made and start == end and draw(st.booleans()):
            most = min(duration, made[-1]["duration_ms"], end - free_from)
            overlap = draw(st.integers(0, max(0, most // 2)))
            if overlap:
                effects.append({"type": "cross_fade", "duration_ms": overlap})
                start = end - overlap
        for kind in ("fade_in", "fade_out"):
            if draw(st.integers(0, 3)) == 0:
                effects.append(draw(fades(kind, duration)))
        if draw(st.integers(0, 3)) == 0:
            effects.append({"type": "gain", "db": draw(st.sampled_from([-60, -12, -3.5, 6]))})
        made.append(
            {
                "id": f"{name}{index}",
                "media_file_id": draw(st.sampled_from([MEDIA, MEDIA, OTHER_MEDIA])),
                "track_id": name,
                "start_ms": start,
                "duration_ms": duration,
                "in_point_ms": begin,
                "out_point_ms": out,
                "effects": effects,
                "deleted": False,
            }
        )
        free_from, end = end, start + duration
    return made


@st.composite
def fades(draw: st.DrawFn, kind: str, duration: int) -> dict[str, Any]:
    """One of a clip so long: within it, longer than it, or begun or ending outside of it."""
    length = draw(st.integers(1, duration * 3 // 2))
    outside = draw(st.sampled_from([0, 0, 0, 1, 300, 4000]))
    offset = {"offset_ms": outside} if outside else {}
    return {"type": kind, "duration_ms": length + outside, **offset}


@st.composite
def films(draw: st.DrawFn) -> Content:
    """Up to three tracks that play two recordings, and a transcript of both."""
    kinds = draw(st.lists(st.sampled_from(["video", "audio"]), min_size=1, max_size=3))
    tracks = [
        track(*draw(clips(f"t{place}")), name=f"t{place}", kind=kind)
        for place, kind in enumerate(kinds)
    ]
    segments = [
        segment(f"{place}-{begin}", begin, " ".join(WORDS[:count]), media=media)
        for place, media in enumerate((MEDIA, OTHER_MEDIA))
        for begin, count in ((300, 6), (3300, 1), (4100, 8), (8100, draw(st.integers(1, 7))))
    ]
    return content(*tracks, segments=segments)


SPEECH = st.lists(st.sampled_from(["um", "so", "we", "uh.", "the", "went."]), min_size=1)
LATER = st.sampled_from([0, 0, 250, 700])


@st.composite
def talks(draw: st.DrawFn) -> Content:
    """Films in which two people say um, now and then at once."""
    made = draw(films())
    segments = []
    for media in (MEDIA, OTHER_MEDIA):
        at = {"A": 300, "B": draw(st.sampled_from([300, 3000, 5000]))}
        for number in range(draw(st.integers(1, 6))):
            who = draw(st.sampled_from("AB"))
            text = " ".join(draw(SPEECH)[:8])
            one = {**segment(f"{media}-{number}", at[who], text, media=media), "language": "en"}
            at[who] = one["end_ms"] + draw(LATER)
            segments.append({**one, "speaker": who})
    return Content(made.tracks, segments)


def undissolved(film: Content) -> Content:
    """The film with nothing over anything else, at the speed of its sources."""
    tracks = [
        {**each, "clips": [_undissolved(one) for one in each["clips"]]} for each in film.tracks
    ]
    return Content(tracks, film.segments)


def _undissolved(one: dict[str, Any]) -> dict[str, Any]:
    length = one["out_point_ms"] - one["in_point_ms"]
    return {**one, "effects": [], "start_ms": 10 * one["start_ms"], "duration_ms": length}
