"""A mouth opened, closed, rounded and spread in a picture, with the jaw that follows it.

Its lips part along the line where they meet; what comes to light is what the picture has of it,
teeth that hang from the upper jaw first, and else a dark with a hint of teeth.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.regions import INNER_LIPS, OUTER_LIPS
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.warping import Array, Axes, Part, fading, stretched

CORNERS = (61, 291)
INNER_CORNERS = (78, 308)
UPPER_LIP, LOWER_LIP = 13, 14
UNDER_NOSE, CHIN = 2, 152
SIDES = (234, 454)
"""Of the face, before the ears."""
HALF = len(INNER_LIPS) // 2

MAX_OPENING = 0.9
"""Of the mouth's width: an open mouth's; more is a mistake of who asks."""
MEETING = 0.3
"""Where open lips meet when they close, from the upper one's edge, as a share of the gap."""
LOWER_SHARE = 0.8
"""Of an opening, the lower lip goes down by this, and the upper lip up by the rest."""
JAW_SHARE = 0.6
"""Of the lower lip's way, the chin goes this."""
WIDTH_CHANGE = 0.14
"""Of the mouth's width, added when it is spread all the way, taken when it is rounded."""
ROUNDNESS = 0.75
"""Of the opening's outline: 0.5 an ellipse, 1 a parabola."""
BELOW_CHIN = 0.6
"""Of the mouth's width, below the chin: there the jaw's movement has ended."""
EDGE = 0.015
"""Of the mouth's width: over so much a lip goes over into the dark."""
MIN_WIDTH = 6.0
"""Pixels: smaller mouths are left alone."""
INSIDE = np.array([62, 26, 24], np.float32)
"""The colour of the dark between the lips of a face in full light."""
TEETH_SHARE, TEETH_HEIGHT = 0.4, 0.11
"""Of the opening's height and of the mouth's width: what teeth reach down at most."""
TEETH = np.array([196, 186, 174], np.float32)
CHEEKS = (50, 101, 205, 280, 330, 425)
FULL_LIGHT = 190.0
"""The mean of the cheeks' values in full light."""
_EDGES = (
    (*OUTER_LIPS[HALF:], OUTER_LIPS[0]),
    (*INNER_LIPS[HALF:], INNER_LIPS[0]),
    INNER_LIPS[: HALF + 1],
    OUTER_LIPS[: HALF + 1],
)
"""The edges of the lips from above to below."""


@dataclass(frozen=True)
class Shape:
    """How a mouth shall be."""

    opening: float
    """The height of the gap in its middle, as a share of the mouth's width."""
    spread: float = 0.0
    """-1 rounded, 1 spread, 0 as wide as it is."""


def opening_of(points: Points) -> float:
    """The height of the gap between the lips, as a share of the mouth's width."""
    return _gap(points) / max(_width(points), 1e-6)


def shaped(frame: Frame, points: Points, shape: Shape) -> Frame:
    """The frame with the mouth of the face whose landmarks these are in another shape."""
    mouth = _Mouth(points, shape)
    part = Part(frame, mouth.axes, (-mouth.cheek, mouth.cheek), (-mouth.width, mouth.floor))
    if part.is_empty or mouth.width < MIN_WIDTH or not mouth.nose < 0 < mouth.chin:
        return frame
    u = mouth.widened(part)
    lips = mouth.lips(u)
    v = stretched(part.v, mouth.knots(u, lips))
    # What hangs from the upper jaw stays at the upper lip; below it is the lower lip's edge.
    hanging = lips.upper_inner + part.v - lips.upper_to
    hanging = np.where(hanging < lips.lower_inner, hanging, lips.lower_inner + mouth.edge)
    v = np.where(lips.between(part.v), hanging, v)
    picture = part.taken_from(u, v)
    return part.put(mouth.filled(picture, part.v, u, lips, _light(frame, points)))


@dataclass(frozen=True)
class _Lips:
    """The edges of the lips in the columns of a part: as they are, and as they shall be."""

    upper_outer: Array
    upper_inner: Array
    lower_inner: Array
    lower_outer: Array
    upper_to: Array
    lower_to: Array

    def between(self, v: Array) -> NDArray[np.bool_]:
        """What is between the lips as they shall be."""
        return (v >= self.upper_to) & (v < self.lower_to)


class _Mouth:
    """A mouth that shall have a shape, in its own coordinates."""

    def __init__(self, points: Points, shape: Shape) -> None:
        self.axes = Axes.along(*points[list(CORNERS)])
        self.width = _width(points)
        marks = points[[UNDER_NOSE, CHIN]]
        self.nose, self.chin = map(float, self.axes.of(marks[:, 0], marks[:, 1])[1])
        sides = points[list(SIDES), :2]
        self.cheek = float(np.linalg.norm(sides[0] - sides[1])) / 2
        self.floor = self.chin + BELOW_CHIN * self.width
        self.opening = float(np.clip(shape.opening, 0, MAX_OPENING)) * self.width
        self.spread = float(np.clip(shape.spread, -1, 1))
        self.drop = LOWER_SHARE * self.opening - (1 - MEETING) * _gap(points)
        self.edge = max(1.0, EDGE * self.width)
        self.inner = self.axes.line(points[list(INNER_CORNERS)])[0]
        self._edges = [self.axes.line(points[list(edge)]) for edge in _EDGES]

    def widened(self, part: Part) -> Array:
        """Where the columns are taken from, for a wider or narrower mouth."""
        near = fading(np.abs(part.u), self.width / 2, self.cheek)
        near = near * fading(np.abs(part.v), self.width / 4, self.width * 0.8)
        return (part.u / (1 + WIDTH_CHANGE * self.spread * near)).astype(np.float32)

    def profile(self, u: Array) -> Array:
        """How much of the opening a column has: 1 in the middle, 0 from the corners on."""
        middle, half = self.inner.mean(), max(float(np.ptp(self.inner)) / 2, 1.0)
        return np.maximum(1 - ((u - middle) / half) ** 2, 0).astype(np.float32) ** ROUNDNESS

    def lips(self, u: Array) -> _Lips:
        """The edges of the lips in these columns."""
        upper_outer, upper, lower, lower_outer = (
            np.interp(u, *edge).astype(np.float32) for edge in self._edges
        )
        upper, lower = np.minimum(upper, lower), np.maximum(upper, lower)
        meeting = upper + MEETING * (lower - upper)
        opened = self.opening * self.profile(u)
        return _Lips(
            upper_outer=np.minimum(upper_outer, upper),
            upper_inner=upper,
            lower_inner=lower,
            lower_outer=np.maximum(lower_outer, lower),
            upper_to=meeting - (1 - LOWER_SHARE) * opened,
            lower_to=meeting + LOWER_SHARE * opened,
        )

    def knots(self, u: Array, lips: _Lips) -> list[tuple[Array, Array]]:
        """What goes where, from the nose to below the chin; lips keep their thickness."""
        nose, chin, floor = (np.full_like(u, v) for v in (self.nose, self.chin, self.floor))
        chin_to = chin + JAW_SHARE * self.drop * fading(np.abs(u), self.width / 2, self.cheek)
        upper_outer_to = lips.upper_outer + lips.upper_to - lips.upper_inner
        lower_outer_to = lips.lower_outer + lips.lower_to - lips.lower_inner
        return [
            (nose, nose),
            (lips.upper_outer, np.maximum(upper_outer_to, nose)),
            (lips.upper_inner, lips.upper_to),
            (lips.lower_inner, lips.lower_to),
            (lips.lower_outer, np.minimum(lower_outer_to, chin_to)),
            (chin, chin_to),
            (floor, floor),
        ]

    def filled(
        self, picture: NDArray[np.float32], v: Array, u: Array, lips: _Lips, light: float
    ) -> NDArray[np.float32]:
        """The picture with what came to light between the lips and was not there."""
        depth, height = v - lips.upper_to, lips.lower_to - lips.upper_to
        known = lips.lower_inner - lips.upper_inner
        edge = self.edge
        inside = np.clip(depth / edge, 0, 1) * np.clip((height - depth) / edge, 0, 1)
        unknown = inside * np.clip((depth - known) / edge + 0.5, 0, 1)
        dark = INSIDE * light * (1 + depth / max(self.width, 1.0))[..., None]
        picture = picture + (dark - picture) * unknown[..., None]
        reach = np.minimum(TEETH_SHARE * height, TEETH_HEIGHT * self.width)
        teeth = unknown * fading(depth / np.maximum(reach, 1e-3), 0.7, 1.1) * self.profile(u)
        shade = np.clip(0.55 + 0.45 * depth / np.maximum(0.5 * reach, 1e-3), 0, 1)
        colour = TEETH * light * shade[..., None]
        result: NDArray[np.float32] = picture + (colour - picture) * teeth[..., None]
        return result


def _light(frame: Frame, points: Points) -> float:
    """How bright the face is, beside one in full light."""
    height, width = frame.shape[:2]
    x = np.clip(points[list(CHEEKS), 0], 0, width - 1).astype(int)
    y = np.clip(points[list(CHEEKS), 1], 0, height - 1).astype(int)
    return float(np.clip(frame[y, x].mean() / FULL_LIGHT, 0.1, 1.2))


def _gap(points: Points) -> float:
    return float(np.linalg.norm(points[UPPER_LIP, :2] - points[LOWER_LIP, :2]))


def _width(points: Points) -> float:
    return float(np.linalg.norm(points[CORNERS[0], :2] - points[CORNERS[1], :2]))
