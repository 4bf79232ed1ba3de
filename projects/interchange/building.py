"""A timeline of OpenTimelineIO made of an EDL document.

What our documents know and other editors do not stands in metadata below ``auteur``: the ids, a
clip's effects, and each track as it was, so that one that nobody has moved comes back to the
millisecond. A cross-fade has its cut in its middle.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

import opentimelineio as otio
from opentimelineio.opentime import RationalTime, TimeRange
from opentimelineio.schema import ExternalReference

from media.models import MediaFile
from projects.interchange.terms import OURS, URL_ROOT
from projects.interchange.times import Timecode, drops_frames, exact_rate, frame_of, span
from projects.timeline.content import PERMILLE, Clip, Track, all_clips, end_of, speed_permille

KINDS = {"video": otio.schema.TrackKind.Video, "audio": otio.schema.TrackKind.Audio}


@dataclass(frozen=True)
class Placed:
    """A clip in frames; ``fade`` is its overlap with the one before, ``tail`` with the one after.

    The cut of a cross-fade is in its middle.
    """

    clip: Clip
    start: int
    finish: int
    fade: int
    tail: int

    @property
    def lead(self) -> int:
        """How much of its cross-fade lies before the cut."""
        return self.fade // 2

    @property
    def begin(self) -> int:
        """The cut before it."""
        return self.start + self.lead

    @property
    def end(self) -> int:
        """The cut behind it."""
        return self.finish - (self.tail - self.tail // 2)


@dataclass(frozen=True)
class Film:
    """What is written: tracks without what the format does not hold, and the names of that."""

    name: str
    tracks: list[Track]
    frame_rate: float
    media: Mapping[str, MediaFile]
    left_out: Iterable[str] = ()

    @property
    def rate(self) -> float:
        return exact_rate(self.frame_rate)

    @property
    def timecode(self) -> Timecode:
        return Timecode(round(self.rate), drops_frames(self.rate))

    @property
    def files(self) -> dict[str, ExternalReference]:
        """What it shows, with names, addresses and lengths."""
        return references_of(self.tracks, self.media, self.rate)


def otio_json(film: Film) -> str:
    """The whole document but its transcript, in OpenTimelineIO's own format."""
    rate, files = film.rate, film.files
    timeline = otio.schema.Timeline(
        name=printable(film.name), global_start_time=RationalTime(0, rate)
    )
    for track in film.tracks:
        timeline.tracks.append(
            build_track(track, rate, lambda clip: files[clip["media_file_id"]].clone())
        )
    return str(otio.adapters.write_to_string(timeline, "otio_json", indent=-1))


def references_of(
    tracks: list[Track], media: Mapping[str, MediaFile], rate: float
) -> dict[str, ExternalReference]:
    """A reference to each media file; an image is as long as it is shown."""
    lengths: dict[str, int] = {}
    for clip in all_clips(tracks):
        key = clip["media_file_id"]
        shown = frame_of(clip["out_point_ms"], rate) + 1
        lengths[key] = max(lengths.get(key, 0), shown)
    for key, found in media.items():
        lengths[key] = max(lengths.get(key, 0), frame_of(found.duration_ms or 0, rate))
    return {key: _reference(key, media.get(key), span(0, lengths[key], rate)) for key in lengths}


def _reference(key: str, media: MediaFile | None, available: TimeRange) -> ExternalReference:
    name = media.name if media else key
    reference = ExternalReference(
        target_url=f"{URL_ROOT}/{key}/{quote(name, safe='')}",
        available_range=available,
        metadata={OURS: {"media_file_id": key}},
    )
    reference.name = printable(name)
    return reference


def build_track(
    track: Track, rate: float, reference: Callable[[Clip], ExternalReference]
) -> otio.schema.Track:
    """A track with its gaps and cross-fades; deleted clips stand in its metadata only."""
    name = printable(track["name"])
    metadata = {OURS: {**track, "clips": [dict(clip) for clip in track["clips"]]}}
    built = otio.schema.Track(name=name, kind=KINDS[track["type"]], metadata=metadata)
    cursor = 0
    for placed in placed_clips(track["clips"], rate):
        if placed.fade:
            built.append(_cross_fade(placed, rate))
        elif placed.begin > cursor:
            built.append(otio.schema.Gap(source_range=span(0, placed.begin - cursor, rate)))
        built.append(_clip(placed, rate, reference(placed.clip)))
        cursor = placed.end
    return built


def placed_clips(clips: list[Clip], rate: float) -> list[Placed]:
    """The clips that play, in order."""
    live = sorted((c for c in clips if not c["deleted"]), key=lambda clip: int(clip["start_ms"]))
    starts = [frame_of(clip["start_ms"], rate) for clip in live]
    ends = [frame_of(end_of(clip), rate) for clip in live]
    fades = [
        max(ends[index - 1] - start, 0) if index else 0 for index, start in enumerate(starts)
    ] + [0]
    return [
        Placed(clip, starts[index], ends[index], fades[index], fades[index + 1])
        for index, clip in enumerate(live)
    ]


def _cross_fade(placed: Placed, rate: float) -> otio.schema.Transition:
    return otio.schema.Transition(
        name="Cross Dissolve",
        transition_type=otio.schema.TransitionTypes.SMPTE_Dissolve,
        in_offset=RationalTime(placed.lead, rate),
        out_offset=RationalTime(placed.fade - placed.lead, rate),
    )


def _clip(placed: Placed, rate: float, reference: ExternalReference) -> otio.schema.Clip:
    clip = placed.clip
    speed = speed_permille(clip["effects"]) / PERMILLE
    begin = frame_of(clip["in_point_ms"], rate) + placed.lead * speed
    effects = [dict(each) for each in clip["effects"]]
    metadata = {OURS: {"id": clip["id"], "effects": effects}}
    built = otio.schema.Clip(
        name=reference.name,
        media_reference=reference,
        source_range=span(begin, placed.end - placed.begin, rate),
        metadata=metadata,
    )
    if speed != 1:
        built.effects.append(otio.schema.LinearTimeWarp("speed", speed))
    return built


def printable(text: str) -> str:
    """Without what a line of text, or XML, cannot hold."""
    return "".join(each if each.isprintable() else " " for each in text)
