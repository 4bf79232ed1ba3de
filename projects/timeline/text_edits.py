"""The body of `PATCH` of a segment, and the named operations that it stands for."""

from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from projects.timeline.fields import Flag, Mode, SegmentText, Speaker, WordText, at_most
from projects.timeline.operations import (
    DeleteSegment,
    DeleteWords,
    EditSegment,
    EditWord,
    Operation,
    RestoreSegment,
    RestoreWords,
    WordIndex,
)
from projects.timeline.shape import Shape

MAX_WORD_EDITS = 1000


class WordEdit(Shape):
    """A word of the segment, by its index from 0; what is absent stays as it is."""

    index: WordIndex
    edited_word: WordText | None = None
    deleted: Flag | None = None


class SegmentEdit(Shape):
    """A segment of the transcript; what is absent stays as it is."""

    edited_text: SegmentText | None = None
    speaker: Speaker | None = None
    deleted: Flag | None = None
    words: Annotated[list[WordEdit], Field(max_length=MAX_WORD_EDITS), at_most(MAX_WORD_EDITS)] = []
    mode: Mode | None = Field(
        default=None,
        description="Whether clips behind what is cut out close the gap (`ripple`, if absent) or "
        "stay; restored, they make room as they closed it if absent.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.model_fields_set - {"mode"}:
            raise PydanticCustomError("empty", "There is nothing to change.")
        return self

    def operations(self, segment_id: str) -> list[Operation]:
        """Return named operations for it; a segment is restored before its words change."""
        return list(self._list_operations(segment_id))

    def _list_operations(self, segment: str) -> Iterator[Operation]:
        texts = self.model_dump(include=self.model_fields_set & {"edited_text", "speaker"})
        if texts:
            yield EditSegment(op="edit_segment", segment_id=segment, **texts)
        if self.deleted is False:
            yield RestoreSegment(op="restore_segment", segment_id=segment, mode=self.mode)
        for word in self.words:
            yield from self._word_operations(segment, word)
        if self.deleted:
            mode = self.mode or "ripple"
            yield DeleteSegment(op="delete_segment", segment_id=segment, mode=mode)

    def _word_operations(self, segment: str, word: WordEdit) -> Iterator[Operation]:
        if "edited_word" in word.model_fields_set:
            yield EditWord(
                op="edit_word", segment_id=segment, word=word.index, text=word.edited_word
            )
        if word.deleted:
            mode = self.mode or "ripple"
            yield DeleteWords(op="delete_words", segment_id=segment, first=word.index, mode=mode)
        elif word.deleted is False:
            yield RestoreWords(
                op="restore_words", segment_id=segment, first=word.index, mode=self.mode
            )
