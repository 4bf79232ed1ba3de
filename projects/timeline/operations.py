"""The named operations on a timeline: what clients send, and how each changes a draft."""

from functools import reduce
from operator import or_
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    StringConstraints,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError
from typing_extensions import TypeAliasType

from projects.documents import (
    MAX_EFFECTS,
    MAX_FILLER_LENGTH,
    MAX_FILLERS,
    MAX_OPERATIONS,
    MAX_PAUSE_MS,
    MIN_PAUSE_MS,
)
from projects.timeline import speech, transcript_cuts
from projects.timeline.content import Clip, EditError, Track, on_timeline, speed_permille
from projects.timeline.cutting import check_overlaps, cut, restore_clip
from projects.timeline.dividing import halves, new_id, range_of, trimmed
from projects.timeline.draft import Draft
from projects.timeline.effects import Effect, EffectRecord, Effects, EffectType, stored_effects
from projects.timeline.fields import (
    Flag,
    Id,
    MediaId,
    Mode,
    Ms,
    SegmentText,
    Speaker,
    TrackName,
    TrackType,
    WordText,
    at_most,
)
from projects.timeline.fillers import Search, plain
from projects.timeline.origins import get_deletion
from projects.timeline.shape import CaptionsStyleShape, Shape, dump_style
from projects.timeline.track_editor import TrackEditor


def _check_single_word(value: str) -> str:
    if len(value.split()) != 1 or not plain(value):
        raise PydanticCustomError("filler", "This is no single word.")
    return value


Filler = Annotated[
    str, StringConstraints(max_length=MAX_FILLER_LENGTH), AfterValidator(_check_single_word)
]
WordIndex = Annotated[int, Field(strict=True, ge=0, description="Counted from 0.")]


class Operation(Shape):
    """A named operation: to add one, define a subclass.

    Its docstring is its description for clients; its fields are what they send, the first of them
    ``op``, a literal: its name. A validator refuses what is wrong with a value by itself, ``apply``
    what does not fit the timeline. `TrackEditor` documents how tracks are changed.
    """

    named: ClassVar[dict[str, type["Operation"]]] = {}
    """All operations by their names."""
    needs_tracks: ClassVar[bool] = True
    needs_transcript: ClassVar[bool] = False
    """True if it needs all segments, not only those of ``segment_ids``."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        if "op" in cls.model_fields:
            (name,) = get_args(cls.model_fields["op"].annotation)
            cls.named[name] = cls
            if Operations.__pydantic_complete__:
                Operations.model_rebuild(force=True)

    @property
    def called(self) -> str:
        """Return the name of the operation."""
        return str(getattr(self, "op", ""))

    def segment_ids(self) -> frozenset[str]:
        """Return the ids of the segments that it reads or changes."""
        return frozenset()

    def measured_media(self) -> frozenset[str]:
        """Return the ids of the media whose length it needs."""
        return frozenset()

    def apply(self, draft: Draft) -> None:
        """Change the draft; raise ``EditError`` if the operation does not fit."""
        raise NotImplementedError


class _AnyOperation:
    """Replaces `Operation` in a schema by the union of all operations, discriminated by ``op``."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        union: Any = reduce(or_, Operation.named.values())
        by_name = Annotated[union, Field(discriminator="op")]
        return handler.generate_schema(TypeAliasType("Operation", by_name))


class Operations(Shape):
    """Edits that are made in order, all or none."""

    model_config = ConfigDict(defer_build=True)  # Until all operations are defined.

    operations: Annotated[
        list[Annotated[Operation, _AnyOperation()]],
        Field(min_length=1, max_length=MAX_OPERATIONS),
        at_most(MAX_OPERATIONS),
    ]


class ClipOperation(Operation):
    """An edit of one clip."""

    clip_id: Id


class SegmentOperation(Operation):
    """An edit of one segment of the transcript, and of the clips that play it."""

    segment_id: Id

    def segment_ids(self) -> frozenset[str]:
        return frozenset([self.segment_id])


class AddTrack(Operation):
    """Add an empty track, at the end or at an index."""

    op: Literal["add_track"]
    track_id: Id | None = Field(default=None, description="Made up if absent.")
    type: TrackType
    name: TrackName
    index: Annotated[int, Field(strict=True, ge=0)] | None = None

    def apply(self, draft: Draft) -> None:
        index = len(draft.tracks) if self.index is None else self.index
        if index > len(draft.tracks):
            raise EditError("index", "unknown_track", f"There are {len(draft.tracks)} tracks.")
        track_id = self.track_id or new_id()
        track: Track = {"id": track_id, "type": self.type, "name": self.name, "clips": []}
        draft.tracks.insert(index, TrackEditor(track))


class AddClip(Operation):
    """Put a media file, or a stretch of it, on a track."""

    op: Literal["add_clip"]
    clip_id: Id | None = Field(default=None, description="Made up if absent.")
    track_id: Id
    media_file_id: MediaId
    start_ms: Ms | None = Field(
        default=None, description="If absent, where the last clip of the track ends."
    )
    in_point_ms: Ms = Field(default=0, description="Where it begins in the file.")
    out_point_ms: Ms | None = Field(
        default=None,
        description="Where it ends in the file; the file's end if absent, which a picture has not.",
    )
    effects: Effects = []

    def measured_media(self) -> frozenset[str]:
        return frozenset([self.media_file_id] if self.out_point_ms is None else [])

    def apply(self, draft: Draft) -> None:
        track = draft.get_track(self.track_id)
        effects = stored_effects(self.effects)
        end = self.out_point_ms
        end = draft.get_media_length(self.media_file_id) if end is None else end
        clip: Clip = {
            "id": self.clip_id or new_id(),
            "media_file_id": self.media_file_id,
            "track_id": self.track_id,
            "start_ms": track.end_ms if self.start_ms is None else self.start_ms,
            "duration_ms": _measure_clip(self.in_point_ms, end, effects),
            "in_point_ms": self.in_point_ms,
            "out_point_ms": end,
            "effects": effects,
            "deleted": False,
        }
        track.append(clip)
        draft.note_clip(clip["id"])


class MoveClip(ClipOperation):
    """Move a clip in time, and to another track."""

    op: Literal["move_clip"]
    start_ms: Ms
    track_id: Id | None = Field(default=None, description="Its own if absent.")

    def apply(self, draft: Draft) -> None:
        track, key = draft.get_clip_key(self.clip_id)
        clip = track.get_clip(key)
        track_id = self.track_id or clip["track_id"]
        moved: Clip = {**clip, "start_ms": self.start_ms, "track_id": track_id}
        if track_id == clip["track_id"]:
            track.replace(key, moved)
            return
        target = draft.get_track(track_id)
        track.remove(key)
        target.append(moved)


class TrimClip(ClipOperation):
    """Change where a clip begins or ends in its source.

    What remains stays where it is on the timeline, unless `start_ms` says otherwise.
    """

    op: Literal["trim_clip"]
    in_point_ms: Ms | None = None
    out_point_ms: Ms | None = None
    start_ms: Ms | None = None

    def apply(self, draft: Draft) -> None:
        track, key = draft.get_clip_key(self.clip_id)
        clip = track.get_clip(key)
        begin = clip["in_point_ms"] if self.in_point_ms is None else self.in_point_ms
        end = clip["out_point_ms"] if self.out_point_ms is None else self.out_point_ms
        start, duration = trimmed(clip, begin, end)
        if not duration:
            raise EditError("out_point_ms", "empty_clip", "A clip ends after it begins.")
        start = start if self.start_ms is None else self.start_ms
        if start < 0:
            raise EditError("in_point_ms", "too_early", "The clip would begin before the timeline.")
        clip = {**clip, "start_ms": start, "duration_ms": duration}
        track.replace(key, {**clip, "in_point_ms": begin, "out_point_ms": end})


class SplitClip(ClipOperation):
    """Make two clips of one; the first keeps the id.

    A clip that is slower than its source is divided between two milliseconds of that.
    """

    op: Literal["split_clip"]
    at_ms: Ms = Field(description="Where on the timeline.")
    new_clip_id: Id | None = Field(default=None, description="Of the second; made up if absent.")

    def apply(self, draft: Draft) -> None:
        track, key = draft.get_clip_key(self.clip_id)
        clip = track.get_clip(key)
        offset = self.at_ms - clip["start_ms"]
        if not 0 < offset < clip["duration_ms"]:
            end = clip["start_ms"] + clip["duration_ms"]
            detail = f"The clip lies from {clip['start_ms']} to {end} ms."
            raise EditError("at_ms", "outside_clip", detail)
        parts = halves(clip, offset, self.new_clip_id or new_id())
        if parts is None:
            raise EditError("at_ms", "outside_clip", "Too little would be left of the clip.")
        track.replace(key, parts[0])
        track.append(parts[1])
        draft.note_clip(parts[1]["id"])


class DeleteClip(ClipOperation):
    """Mark a clip as deleted; `ripple` closes the gap on its track."""

    op: Literal["delete_clip"]
    mode: Mode = "gap"

    def apply(self, draft: Draft) -> None:
        track, key = draft.get_clip_key(self.clip_id)
        clip = track.clips[key]
        if not clip["deleted"]:
            draft.count_cuts(1)
            cut(track, key, [(range_of(clip), None)], mode=self.mode)


class RestoreClip(ClipOperation):
    """Bring a deleted clip back, the way it went or by another mode."""

    op: Literal["restore_clip"]
    mode: Mode | None = None

    def apply(self, draft: Draft) -> None:
        track, key = draft.get_clip_key(self.clip_id)
        clip = track.clips[key]
        if not clip["deleted"]:
            return
        draft.count_cuts(1)
        restore_clip(track, key, mode=self.mode)
        if (self.mode or get_deletion(clip).mode) == "gap":
            check_overlaps(track)


class SetEffect(ClipOperation):
    """Give a clip an effect, in the place of its effect of the same type."""

    op: Literal["set_effect"]
    effect: Effect

    def apply(self, draft: Draft) -> None:
        _replace_effect(draft, self.clip_id, self.effect.type, stored_effects([self.effect]))


class RemoveEffect(ClipOperation):
    """Take an effect from a clip."""

    op: Literal["remove_effect"]
    type: EffectType

    def apply(self, draft: Draft) -> None:
        _replace_effect(draft, self.clip_id, self.type, [])


class EditWord(SegmentOperation):
    """Show another word than was heard; null shows the one that was."""

    needs_tracks = False

    op: Literal["edit_word"]
    word: WordIndex
    text: WordText | None

    def apply(self, draft: Draft) -> None:
        speech.edit_word(draft, self.segment_id, self.word, self.text)


class EditSegment(SegmentOperation):
    """Show another text than was heard (null: what was), or name another speaker."""

    needs_tracks = False

    op: Literal["edit_segment"]
    edited_text: SegmentText | None = None
    speaker: Speaker | None = None

    def apply(self, draft: Draft) -> None:
        index = draft.get_segment_index(self.segment_id)
        segment = draft.segments[index]
        if "edited_text" in self.model_fields_set:
            segment = {**segment, "edited_text": self.edited_text}
        if self.speaker is not None:
            segment = {**segment, "speaker": self.speaker}
        draft.segments[index] = segment


class DeleteSegment(SegmentOperation):
    """Delete what is said in a segment, and cut out what plays it."""

    op: Literal["delete_segment"]
    mode: Mode = "ripple"

    def apply(self, draft: Draft) -> None:
        speech.delete_segment(draft, self.segment_id, self.mode)


class RestoreSegment(SegmentOperation):
    """Bring a deleted segment back with its clips, the way they went or by another mode."""

    op: Literal["restore_segment"]
    mode: Mode | None = None

    def apply(self, draft: Draft) -> None:
        speech.restore_segment(draft, self.segment_id, self.mode)


class WordsOperation(SegmentOperation):
    """Some words of a segment, from the first to the last."""

    first: WordIndex
    last: WordIndex | None = Field(default=None, description="The first if absent.")

    @model_validator(mode="after")
    def _check(self) -> "WordsOperation":
        if self.last is not None and self.last < self.first:
            raise PydanticCustomError("words", "The last word comes before the first.")
        return self

    @property
    def indexes(self) -> range:
        return range(self.first, (self.first if self.last is None else self.last) + 1)


class DeleteWords(WordsOperation):
    """Delete words, and cut out what plays them."""

    op: Literal["delete_words"]
    mode: Mode = "ripple"

    def apply(self, draft: Draft) -> None:
        speech.delete_words(draft, self.segment_id, self.indexes, self.mode)


class RestoreWords(WordsOperation):
    """Bring deleted words back with their clips, the way they went or by another mode."""

    op: Literal["restore_words"]
    mode: Mode | None = None

    def apply(self, draft: Draft) -> None:
        speech.restore_words(draft, self.segment_id, self.indexes, self.mode)


class TranscriptOperation(Operation):
    """An edit that looks for something in all that is said, and answers what it has `removed`."""

    needs_transcript = True

    mode: Mode = "ripple"


class CutFillers(TranscriptOperation):
    """Delete filler words and immediate repeats that the film plays, and cut out what plays them.

    A word counts as it is shown, with no regard to case and punctuation. Of what is said twice
    ("the the") the last stays; the end of a sentence between makes it no repeat, nor are digits.
    What another speaker says a word over is left. 400 `no_transcript` where nothing that the film
    plays has one.
    """

    op: Literal["cut_fillers"]
    words: Annotated[list[Filler], Field(max_length=MAX_FILLERS), at_most(MAX_FILLERS)] | None = (
        Field(
            default=None,
            description="Single words; if absent, those of each segment's language (um, uh, erm, "
            "äh, ähm and the like: English and German, else what is no word of any language).",
        )
    )
    repeats: Flag = True

    def apply(self, draft: Draft) -> None:
        search = Search(self.words, self.repeats)
        transcript_cuts.cut_fillers(draft, self.op, search, self.mode)


class CutSilences(TranscriptOperation):
    """Cut longer pauses between words down to `padding_ms` behind the one and before the other.

    It goes by the transcript, not by the sound: silent is where nobody says a word, music and noise
    included; what is before a file's first word and behind its last stays. Clips of media without a
    transcript are left alone; 400 `no_transcript` where nothing that the film plays has one.
    `restore_clip` and undo restore what is cut.
    """

    op: Literal["cut_silences"]
    threshold_ms: Annotated[int, Field(strict=True, ge=MIN_PAUSE_MS, le=MAX_PAUSE_MS)] = Field(
        default=700, description="Only longer pauses are cut."
    )
    padding_ms: Annotated[int, Field(strict=True, ge=0, le=MAX_PAUSE_MS)] = Field(
        default=100, description="How much of a pause is left on each side."
    )

    def apply(self, draft: Draft) -> None:
        longer_ms = max(self.threshold_ms, 2 * self.padding_ms)
        transcript_cuts.cut_silences(draft, self.op, longer_ms, self.padding_ms, self.mode)


class SetCaptionsStyle(Operation):
    """Say how captions look that a render burns in; null returns to the default.

    What is absent is as in the default, not as it was.
    """

    needs_tracks = False

    op: Literal["set_captions_style"]
    style: CaptionsStyleShape | None

    def apply(self, draft: Draft) -> None:
        draft.captions_style = dump_style(self.style)


def _measure_clip(begin_ms: int, end_ms: int, effects: list[EffectRecord]) -> int:
    """Return how long a range is on the timeline; raise ``EditError`` if it is empty."""
    permille = speed_permille(effects)
    duration = on_timeline(end_ms - begin_ms, permille) if end_ms > begin_ms else 0
    if not duration:
        raise EditError("out_point_ms", "empty_clip", "A clip ends after it begins.")
    return duration


def _replace_effect(draft: Draft, clip_id: str, kind: str, new: list[EffectRecord]) -> None:
    """Replace the clip's effect of a type, if it has one, by the new ones."""
    track, key = draft.get_clip_key(clip_id)
    clip = track.get_clip(key)
    types = [effect["type"] for effect in clip["effects"]]
    index = types.index(kind) if kind in types else len(types)
    effects = [*clip["effects"][:index], *new, *clip["effects"][index + 1 :]]
    if len(effects) > MAX_EFFECTS:
        raise EditError("effect", "too_many_effects", f"A clip has at most {MAX_EFFECTS} effects.")
    duration = clip["duration_ms"]
    if kind == "speed":
        duration = _measure_clip(clip["in_point_ms"], clip["out_point_ms"], effects)
    track.replace(key, {**clip, "effects": effects, "duration_ms": duration})
