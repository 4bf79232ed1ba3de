"""The bodies of requests and answers about a whole EDL; `content` has its parts."""

from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from gpu_tasks.render.contract.captions import CaptionsStyle
from projects.timeline.content import EdlSettings, Segments, Tracks


class Shape(BaseModel):
    """A body, or an operation: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TranscriptShape(Shape):
    """What is said in the project's media; `generated_at` is read only."""

    generated_at: AwareDatetime | None = None
    segments: Segments


class CaptionsStyleShape(CaptionsStyle):
    """How captions look that are burned in; colours are `#RRGGBB`, or `#RRGGBBAA` with opacity."""


def _ignored() -> Any:
    return Field(default=None, exclude=True, description="As `GET` returns it. Ignored.")


class EdlShape(Shape):
    """The body of `PUT`: tracks and transcript. Other fields that `GET` returns are ignored."""

    project_id: Any = _ignored()
    version: Any = _ignored()
    created_at: Any = _ignored()
    updated_at: Any = _ignored()
    settings: Any = _ignored()
    undo_depth: Any = _ignored()
    redo_depth: Any = _ignored()
    tracks: Tracks
    transcript: TranscriptShape | None = Field(default=None, description="Snapshot if absent.")
    captions_style: CaptionsStyleShape | None = Field(
        default=None, description="The default if null; if absent it stays as it is."
    )


def dump_style(style: CaptionsStyle | None) -> dict[str, Any] | None:
    """Return a style as it is stored."""
    return None if style is None else style.model_dump()


class Edl(Shape):
    """A project's edit decision list."""

    project_id: UUID
    version: int
    created_at: AwareDatetime
    updated_at: AwareDatetime
    settings: EdlSettings
    tracks: Tracks
    transcript: TranscriptShape
    captions_style: CaptionsStyleShape | None = Field(
        description="Of captions that a render burns in; null is the default."
    )
    undo_depth: int = Field(description="How many edits can be undone.")
    redo_depth: int = Field(description="How many undone edits can be redone.")
