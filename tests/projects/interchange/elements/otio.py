"""Elements of OpenTimelineIO."""

from collections.abc import Iterator
from typing import Any

from opentimelineio import opentime, schema

from tests.projects.interchange.elements.row import PLAIN, RATE, Element


def span(start: float, length: float, rate: float = RATE) -> opentime.TimeRange:
    """So many frames from one on."""
    return opentime.TimeRange(
        opentime.RationalTime(start, rate), opentime.RationalTime(length, rate)
    )


def played(
    name: str = "a.mov",
    start: int = 25,
    length: int | None = 50,
    *,
    enabled: bool = True,
    **more: Any,
) -> schema.Clip:
    """A clip of a file; as long as the file where no length is told."""
    more.setdefault("media_reference", schema.ExternalReference(target_url=name))
    body = None if length is None else span(start, length)
    clip = schema.Clip(name=name, source_range=body, **more)
    clip.enabled = enabled
    return clip


def otio(
    *children: Any,
    kind: str = "Video",
    stack: Any = None,
    begin: Any = None,
    enabled: bool = True,
    **track: Any,
) -> str:
    """A timeline of one track."""
    track_row = schema.Track(name="x", kind=kind, children=[*children], **track)
    track_row.enabled = enabled
    timeline = schema.Timeline(name="x", global_start_time=begin)
    timeline.tracks = schema.Stack(name="s", children=[track_row], **(stack or {}))
    return str(timeline.to_json_string())


def fade(into: int, out: int, kind: str = "SMPTE_Dissolve") -> schema.Transition:
    """A transition around its cut."""
    return schema.Transition(
        name="t",
        transition_type=kind,
        in_offset=opentime.RationalTime(into, RATE),
        out_offset=opentime.RationalTime(out, RATE),
    )


# fmt: off
def rows() -> Iterator[Element]:
    """The elements of a timeline."""

    def row(name: str, fate: str, text: str, *plays: str) -> Element:
        return Element("otio", name, fate, text, plays or tuple(PLAIN))

    yield row("`Timeline`: `global_start_time`, `name`, `metadata`", "left out",
              otio(played(), begin=span(9, 9).start_time))
    yield row("`Stack`, `Track` of video or audio", "read", otio(played(), kind="Audio"),
              "audio a.mov 0-2000 @1000")
    yield row("`Track` of another `kind`, other things in the `Stack`", "track",
              otio(played(), kind="Subtitle"))
    yield row("`Track`, `Stack`: `enabled` false: clips are deleted ones", "read",
              otio(played(), enabled=False), "video a.mov 0-2000 @1000 off")
    yield row("`Track`: `source_range`", "read", otio(played(), source_range=span(10, 20)),
              "video a.mov 0-800 @1400")
    yield row("`Stack`: `source_range`", "read",
              otio(played(), stack={"source_range": span(10, 20)}), "video a.mov 0-800 @1400")
    yield row("`source_range` that ends within a fade", "trim",
              otio(played(), fade(5, 5), played("b.mov"), source_range=span(0, 50)))
    yield row("`source_range` within which nothing plays", "trim",
              otio(played(), source_range=span(-60, 20)))
    yield row("`Track`, `Stack`: `effects`", "effect",
              otio(played(), stack={"effects": [schema.Effect()]}))
    yield row("`Gap`", "read", otio(schema.Gap(source_range=span(0, 25)), played()),
              "video a.mov 1000-3000 @1000")
    yield row("`Clip`: `source_range`", "read", otio(played()))
    whole = schema.ExternalReference(target_url="a.mov", available_range=span(0, 50))
    yield row("`Clip` without `source_range`: all of its media", "read",
              otio(played(length=None, media_reference=whole)), "video a.mov 0-2000 @0")
    tape = schema.ExternalReference(target_url="a.mov", available_range=span(1000, 500))
    yield row("`available_range`: times count from its start", "read",
              otio(played(start=1025, media_reference=tape)))
    yield row("`Clip`: `enabled` false: a deleted clip", "read", otio(played(enabled=False)),
              "video a.mov 0-2000 @1000 off")
    yield row("`ExternalReference`, `MissingReference`, none: found by id or name", "read",
              otio(played(media_reference=schema.MissingReference(name="a.mov"))))
    both = {
        "low": schema.GeneratorReference(),
        "high": schema.ExternalReference(target_url="a.mov"),
    }
    several = schema.Clip(name="", source_range=span(25, 50))
    several.set_media_references(both, "high")
    yield row("`active_media_reference_key`", "read", otio(several))
    yield row("`GeneratorReference`", "generator",
              otio(played(media_reference=schema.GeneratorReference())))
    yield row("`ImageSequenceReference`", "image_sequence",
              otio(played(media_reference=schema.ImageSequenceReference())))
    yield row("`Transition` of `SMPTE_Dissolve` between clips", "read",
              otio(played(), fade(4, 6), played("b.mov", 104, 26)),
              "video a.mov 0-2240 @1000", "video b.mov 1840-3040 @4000 cross 400")
    yield row("`Transition` beside a gap or an end: a fade", "read",
              otio(fade(0, 10), played(), fade(10, 0)),
              "video a.mov 0-2000 @1000 in 400 out 400")
    yield row("`Transition` of other types", "transition",
              otio(played(), fade(4, 6, "Custom_Transition"), played()))
    yield row("`Transition` that reaches beyond its track", "transition",
              otio(fade(4, 6), played()))
    yield row("`Transition` that is longer than what it joins", "transition",
              otio(played(), fade(4, 60), played()))
    yield row("`Transition` with a clip of `enabled` false", "transition",
              otio(played(), fade(4, 6), played(enabled=False)))
    yield row("`LinearTimeWarp` from 0.1 to 10 in steps of 0.001", "read",
              otio(played(effects=[schema.LinearTimeWarp(time_scalar=2.0)])),
              "video a.mov 0-2000 @1000 x2.0")
    yield row("`LinearTimeWarp` of other speeds, or several", "speed",
              otio(played(effects=[schema.LinearTimeWarp(time_scalar=-1.0)])))
    yield row("`FreezeFrame`", "freeze", otio(played(effects=[schema.FreezeFrame()])))
    yield row("`TimeEffect` of other kinds", "speed", otio(played(effects=[schema.TimeEffect()])))
    yield row("`Effect`", "effect", otio(played(effects=[schema.Effect(effect_name="Blur")])))
    blur = otio(played(effects=[schema.Effect(effect_name="Blur")]))
    head, _, tail = blur.partition('"Effect.1"')
    yield row("`Effect`: `enabled` false", "left out",
              head + '"Effect.1"' + tail.replace('"enabled": true', '"enabled": false', 1))
    marked = otio(played(markers=[schema.Marker()], metadata={"x": 1}))
    yield row("`Marker`, also of newer schemas, colours, `metadata` of others", "left out",
              marked.replace("Marker.2", "Marker.3"))
    yield row("`Stack`, `Track` in a track (nested)", "nested", otio(schema.Stack()))
    yield row("objects of other schemas", "unreadable_file",
              otio(schema.Gap()).replace("Gap.1", "Nonsense.1"))
    yield row("objects of newer schemas than the library's", "unreadable_file",
              otio(schema.Gap()).replace("Gap.1", "Gap.2"))
# fmt: on
