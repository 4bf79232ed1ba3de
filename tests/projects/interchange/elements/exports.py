"""What a timeline of ours has, and which format holds it.

The second table of docs/interchange.md has the same rows. A fate is ``written``, ``left out``, or
the code of a refusal, for OpenTimelineIO, FCP XML and CMX 3600.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.projects.timeline.making import OTHER_MEDIA, clip, track

Tracks = list[dict[str, Any]]
FORMS = ("otio", "fcp_xml", "cmx3600")


def plays(tracks: Tracks) -> Any:
    """Kinds, times and effects of what is not deleted, without tracks that are empty."""
    keys = ("start_ms", "duration_ms", "in_point_ms", "media_file_id", "effects")
    live = [
        (
            track_row["type"],
            [
                [clip_row[key] for key in keys]
                for clip_row in track_row["clips"]
                if not clip_row["deleted"]
            ],
        )
        for track_row in tracks
    ]
    return [track_row for track_row in live if track_row[1]]


@dataclass(frozen=True)
class Part:
    """One row; ``look`` finds the part in the tracks that come back."""

    name: str
    fates: tuple[str, str, str]
    tracks: Tracks
    look: Callable[[Tracks], Any] = plays
    frame_rate: float = 25
    leave_out: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


def deleted(tracks: Tracks) -> list[str]:
    """The clips that are kept though they do not play."""
    return [
        clip_row["in_point_ms"]
        for track_row in tracks
        for clip_row in track_row["clips"]
        if clip_row["deleted"]
    ]


def ids(tracks: Tracks) -> list[str]:
    """Of tracks and clips."""
    return [item["id"] for track_row in tracks for item in [track_row, *track_row["clips"]]]


def names(tracks: Tracks) -> list[str]:
    """Of tracks."""
    return [track_row["name"] for track_row in tracks]


def with_effect(**effect: Any) -> Tracks:
    """A clip of two seconds with an effect."""
    return [track(clip("a", 0, 0, 2000, effects=[effect]))]


DISSOLVE = [{"type": "cross_fade", "duration_ms": 40}]
PAIR = (clip("a", 0, 0, 2000), clip("b", 1960, 0, 2000, media=OTHER_MEDIA, effects=DISSOLVE))
ONE = clip("a", 0, 0, 2000)
FADES = [{"type": kind, "duration_ms": 400} for kind in ("fade_in", "fade_out")]
OWN = [{"type": "gain", "db": -6}, {"type": "x_grade", "amount": 0.5}]
ALL = ("written", "written", "written")
EFFECT = ("written", "effect", "effect")

PARTS = [
    Part("clips, cuts, gaps", ALL, [track(ONE, clip("b", 2000, 0, 880), clip("c", 5000, 0, 40))]),
    Part("`cross_fade` of one frame or more", ALL, [track(*PAIR)]),
    Part(
        "`cross_fade` of audio",
        ("written", "written", "track"),
        [track(*PAIR, kind="audio"), track(clip("c", 0, 0, 400), name="w")],
        lambda tracks: sorted(plays(tracks), key=str),
    ),
    Part("`speed`", EFFECT, with_effect(type="speed", rate=2)),
    Part(
        "`fade_in`, `fade_out`, `gain`, own effects (`x_…`)",
        EFFECT,
        [track(clip("a", 0, 0, 2000, effects=[*FADES, *OWN]))],
    ),
    Part(
        "these with `leave_out`",
        ("written", "left out", "left out"),
        [track(clip("a", 0, 0, 2000, effects=[*FADES, *OWN]))],
        leave_out=("fade_in", "fade_out", "gain", "x_grade"),
    ),
    Part(
        "deleted clips",
        ("written", "left out", "left out"),
        [track(ONE, clip("b", 400, 7, 90, deleted=True))],
        deleted,
    ),
    Part(
        "several tracks of video",
        ("written", "written", "track"),
        [track(ONE), track(clip("b", 0, 0, 400), name="w")],
    ),
    Part(
        "tracks of audio",
        ("written", "written", "track"),
        [track(ONE), track(clip("b", 0, 0, 400), name="w", kind="audio")],
    ),
    Part(
        "tracks of audio before those of video",
        ("written", "written", "track"),
        [track(clip("b", 0, 0, 400), name="w", kind="audio"), track(ONE)],
        lambda tracks: sorted(plays(tracks), key=str),
    ),
    Part(
        "tracks without clips",
        ("written", "written", "left out"),
        [track(ONE), track(name="w")],
        len,
    ),
    Part("names of tracks", ("written", "written", "left out"), [track(ONE, name="x")], names),
    Part("ids of tracks and clips", ("written", "left out", "left out"), [track(ONE)], ids),
    Part(
        "clips shorter than a frame",
        ("written", "short_clip", "short_clip"),
        [track(clip("a", 0, 0, 9))],
    ),
    Part(
        "frame rates without timecode",
        ("written", "frame_rate", "frame_rate"),
        [track(ONE)],
        frame_rate=15,
    ),
    Part(
        "a first clip after 58 minutes",
        ("written", "written", "timeline"),
        [track(clip("a", 58 * 60_000, 0, 400))],
    ),
    Part(
        "a film of a day", ("written", "written", "timeline"), [track(clip("a", 0, 0, 86_400_000))]
    ),
    Part("a film of no clips", ("written", "written", "timeline"), [track()]),
]
