"""The style of captions that are burned into the pictures."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from gpu_tasks.runtime.contract import PlainModel

MIN_SIZE, MAX_SIZE = 2.0, 12.0
MIN_OUTLINE, MAX_OUTLINE = 1.0, 20.0
MIN_LINE, MAX_LINE = 8, 80
MAX_LINES = 4

Color = Annotated[
    str,
    StringConstraints(pattern=r"^#[0-9A-Fa-f]{6}([0-9A-Fa-f]{2})?$"),
]
Switch = Annotated[bool, Field(strict=True)]


class CaptionsStyle(PlainModel):
    """The style of burned-in captions; colours are `#RRGGBB`, or `#RRGGBBAA` with opacity."""

    font: Literal["sans", "italic", "cjk"] = Field(
        default="sans", description="`cjk` is one that has all of Chinese, Japanese and Korean."
    )
    bold: Switch = False
    size_percent: float = Field(
        default=4.5,
        strict=True,
        ge=MIN_SIZE,
        le=MAX_SIZE,
        description="Of letters, of the picture's shorter side. They are smaller where a line "
        "would be wider than the picture.",
    )
    color: Color = "#FFFFFF"
    background_color: Color | None = Field(
        default="#000000A0", description="Of the box behind the letters; none if null."
    )
    outline_color: Color | None = Field(
        default=None, description="Of a line around the letters; none if null."
    )
    outline_percent: float = Field(
        default=6.0,
        strict=True,
        ge=MIN_OUTLINE,
        le=MAX_OUTLINE,
        description="How wide that line is, of the letters' size.",
    )
    position: Literal["top", "middle", "bottom"] = "bottom"
    alignment: Literal["left", "center", "right"] = "center"
    max_lines: int = Field(
        default=2, strict=True, ge=1, le=MAX_LINES, description="Of what is shown at once."
    )
    max_line_length: int = Field(
        default=42, strict=True, ge=MIN_LINE, le=MAX_LINE, description="In characters."
    )
    uppercase: Switch = False


DEFAULT = CaptionsStyle()
"""The style of a timeline that has none of its own."""
