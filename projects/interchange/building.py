"""Build a timeline of OpenTimelineIO from an EDL document.

Metadata below ``auteur`` holds what other editors do not know: the ids, a clip's effects, and each
track as it was, so that an unchanged track comes back to the millisecond. The cut of a cross-fade
is in its middle.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

import opentimelineio as otio
from opentimelineio.opentime import RationalTime, TimeRange
from opentimelineio.schema import ExternalReference

from media.models import MediaFile
from projects.interchange.terms import OURS, URL_ROOT
from projects.interchange.times import (
    Timecode,
    build_time_range,
    compute_start_frame,
    count_frames,
    drops_frames,
    get_exact_rate,
    to_frame,
)
from projects.timeline.content import PERMILLE, Clip, Track, all_clips, end_of, speed_permille

SECONDS_OF_A_DAY = 86_400
KINDS = {"video": otio.schema.TrackKind.Video, "audio": otio.schema.TrackKind.Audio}


@dataclass(frozen=True)
class FrameClip:
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
        """Return how many frames of its cross-fade lie before the cut."""
        return self.fade // 2

    @property
    def begin(self) -> int:
        """Return the frame of the cut before the clip."""
        return self.start + self.lead

    @property
    def end(self) -> int:
        """Return the frame of the cut after the clip."""
        return self.finish - (self.tail - self.tail // 2)

    @property
    def speed(self) -> float:
        return speed_permille(self.clip["effects"]) / PERMILLE

    @property
    def length(self) -> int:
        """Return how many frames of its media the clip plays."""
        return math.ceil((self.finish - self.start) * self.speed)

    def in_frame(self, rate: float, duration_ms: int | None) -> int:
        """Return the frame of its media at which the clip begins.

        This is the nearest frame, unless the media would then be a frame too short.
        """
        frame = to_frame(self.clip["in_point_ms"], rate)
        excess = frame + self.length - count_frames(duration_ms, rate) if duration_ms else 0
        is_rounded = 0 < excess <= 2 * max(self.speed, 1)
        return frame - min(excess, frame) if is_rounded else frame


@dataclass(frozen=True)
class Film:
    """A timeline to be written: the tracks that the format holds, and the names of the rest."""

    name: str
    tracks: list[Track]
    frame_rate: float
    media: Mapping[str, MediaFile]
    left_out: Iterable[str] = ()

    @property
    def rate(self) -> float:
        return get_exact_rate(self.frame_rate)

    @property
    def timecode(self) -> Timecode:
        return Timecode(round(self.rate), drops_frames(self.rate))

    @property
    def files(self) -> dict[str, ExternalReference]:
        """Return references to its media, with names, addresses, lengths and timecodes."""
        return build_references(self.tracks, self.media, self.rate)

    @property
    def durations(self) -> dict[str, int | None]:
        return {key: media.duration_ms for key, media in self.media.items()}

    def source_timecode(self, key: str) -> Timecode:
        """Return the timecode of a file: its own numbering, if it has the film's rate."""
        metadata = self.media[key].metadata if key in self.media else {}
        text, file_rate = metadata.get("start_timecode"), metadata.get("frame_rate") or self.rate
        if not text or get_exact_rate(file_rate) != self.rate:
            return self.timecode
        return Timecode(round(self.rate), ";" in text)


def write_otio(film: Film) -> str:
    """Return the document without its transcript, in OpenTimelineIO's own format."""
    rate, files, durations = film.rate, film.files, film.durations
    timeline = otio.schema.Timeline(
        name=replace_unprintable(film.name), global_start_time=RationalTime(0, rate)
    )
    for track in film.tracks:
        timeline.tracks.append(
            build_track(track, rate, lambda clip: files[clip["media_file_id"]].clone(), durations)
        )
    return str(otio.adapters.write_to_string(timeline, "otio_json", indent=-1))


def build_references(
    tracks: list[Track], media: Mapping[str, MediaFile], rate: float
) -> dict[str, ExternalReference]:
    """Return a reference to each media file, at least as long as clips show it.

    A reference begins at the timecode of its file, unless it would then pass midnight.
    """
    lengths = {key: count_frames(row.duration_ms or 0, rate) for key, row in media.items()}
    for clip in all_clips(tracks):
        lengths.setdefault(clip["media_file_id"], 0)
    for placed in (placed for track in tracks for placed in list_frame_clips(track["clips"], rate)):
        key = placed.clip["media_file_id"]
        duration_ms = media[key].duration_ms if key in media else None
        end = placed.in_frame(rate, duration_ms) + placed.length
        lengths[key] = max(lengths[key], end)
    references = {}
    for key, length in lengths.items():
        metadata = media[key].metadata if key in media else {}
        start = compute_start_frame(
            metadata.get("start_timecode", ""), metadata.get("frame_rate"), rate
        )
        start = start if (start + length) / rate < SECONDS_OF_A_DAY else 0
        references[key] = _build_reference(
            key, media.get(key), build_time_range(start, length, rate)
        )
    return references


def _build_reference(key: str, media: MediaFile | None, available: TimeRange) -> ExternalReference:
    name = media.name if media else key
    reference = ExternalReference(
        target_url=f"{URL_ROOT}/{key}/{quote(name, safe='')}",
        available_range=available,
        metadata={OURS: {"media_file_id": key}},
    )
    reference.name = replace_unprintable(name)
    return reference


def build_track(
    track: Track,
    rate: float,
    reference: Callable[[Clip], ExternalReference],
    durations: Mapping[str, int | None],
) -> otio.schema.Track:
    """Return a track with its gaps and cross-fades; deleted clips are in its metadata only.

    ``durations`` are those of the media, in milliseconds.
    """
    name = replace_unprintable(track["name"])
    metadata = {OURS: {**track, "clips": [dict(clip) for clip in track["clips"]]}}
    otio_track = otio.schema.Track(name=name, kind=KINDS[track["type"]], metadata=metadata)
    cursor = 0
    for placed in list_frame_clips(track["clips"], rate):
        if placed.fade:
            otio_track.append(_build_cross_fade(placed, rate))
        elif placed.begin > cursor:
            otio_track.append(
                otio.schema.Gap(source_range=build_time_range(0, placed.begin - cursor, rate))
            )
        in_frame = placed.in_frame(rate, durations.get(placed.clip["media_file_id"]))
        otio_track.append(_build_clip(placed, rate, reference(placed.clip), in_frame))
        cursor = placed.end
    return otio_track


def list_frame_clips(clips: list[Clip], rate: float) -> list[FrameClip]:
    """Return the clips that are not deleted, in order of time."""
    live = sorted((c for c in clips if not c["deleted"]), key=lambda clip: int(clip["start_ms"]))
    starts = [to_frame(clip["start_ms"], rate) for clip in live]
    ends = [to_frame(end_of(clip), rate) for clip in live]
    fades = [
        max(ends[index - 1] - start, 0) if index else 0 for index, start in enumerate(starts)
    ] + [0]
    return [
        FrameClip(clip, starts[index], ends[index], fades[index], fades[index + 1])
        for index, clip in enumerate(live)
    ]


def _build_cross_fade(placed: FrameClip, rate: float) -> otio.schema.Transition:
    return otio.schema.Transition(
        name="Cross Dissolve",
        transition_type=otio.schema.TransitionTypes.SMPTE_Dissolve,
        in_offset=RationalTime(placed.lead, rate),
        out_offset=RationalTime(placed.fade - placed.lead, rate),
    )


def _build_clip(
    placed: FrameClip, rate: float, reference: ExternalReference, in_frame: int
) -> otio.schema.Clip:
    clip = placed.clip
    available = reference.available_range
    begin = (available.start_time.value if available else 0) + in_frame + placed.lead * placed.speed
    effects = [dict(effect) for effect in clip["effects"]]
    metadata = {OURS: {"id": clip["id"], "effects": effects}}
    otio_clip = otio.schema.Clip(
        name=reference.name,
        media_reference=reference,
        source_range=build_time_range(begin, placed.end - placed.begin, rate),
        metadata=metadata,
    )
    if placed.speed != 1:
        otio_clip.effects.append(otio.schema.LinearTimeWarp("speed", placed.speed))
    return otio_clip


def replace_unprintable(text: str) -> str:
    """Replace the characters that a line of text, or XML, cannot hold by spaces."""
    return "".join(character if character.isprintable() else " " for character in text)
