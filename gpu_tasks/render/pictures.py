"""The pictures of a segment: FFmpeg's arguments and filter graph."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from gpu_tasks.mediakit import ffmpeg
from gpu_tasks.mediakit.film import STATE_BT709, TO_SDR, deinterlaced
from gpu_tasks.render.contract import Format, Output
from gpu_tasks.render.contract.frames import SLACK_SECONDS, Box, box_of
from gpu_tasks.render.contract.segments import Piece, Ramp, RenderSegment
from gpu_tasks.render.drawing import Drawn
from gpu_tasks.render.sources import Pictures, SourceInfo

EARLY_SECONDS = 1
"""How long before its first picture a source is entered, at least: decoders swing in."""
HAIR_SECONDS = 0.000_002
"""`fps` takes its start in microseconds, and rounds it up to a frame."""
TIMESCALE = 10_000
"""At least so many units a second, of which a frame is a whole number."""

H264 = ("-c:v", "libx264", "-x264-params", "open-gop=0")
VP9 = ("-c:v", "libvpx-vp9", "-row-mt", "1", "-tile-columns", "2", "-b:v", "0")
ENCODERS: Mapping[tuple[Format, bool], tuple[str, ...]] = {
    (Format.MP4, False): (*H264, "-preset", "fast", "-crf", "20"),
    (Format.MP4, True): (*H264, "-preset", "ultrafast", "-crf", "28"),
    (Format.WEBM, False): (*VP9, "-deadline", "good", "-cpu-used", "4", "-crf", "31"),
    (Format.WEBM, True): (*VP9, "-deadline", "realtime", "-cpu-used", "8", "-crf", "40"),
    (Format.MOV, False): ("-c:v", "prores_ks", "-profile:v", "standard", "-vendor", "apl0"),
    (Format.MOV, True): ("-c:v", "prores_ks", "-profile:v", "proxy", "-vendor", "apl0"),
}
"""By format, and whether fast is better than good."""
KEY_FRAME_SECONDS = 4
FINE = 1000
"""Parts of a fade's frame: rounded, a frame would last too long, and FFmpeg shows such a first one
twice."""
HOLD = "tpad=stop=-1:stop_mode=clone"
"""Of the last picture, for as long as it is asked for."""
PIXELS = {Format.MP4: "yuv420p", Format.WEBM: "yuv420p", Format.MOV: "yuv422p10le"}
CLEAR_PIXELS = {Format.MP4: "yuva420p", Format.WEBM: "yuva420p", Format.MOV: "yuva422p10le"}
BLENDED = {Format.MP4: "yuv420", Format.WEBM: "yuv420", Format.MOV: "yuv422p10"}
SUFFIX = {Format.MP4: ".mp4", Format.WEBM: ".mp4", Format.MOV: ".mov"}
"""Of segments: MP4 tells times more exactly than WebM does."""


@dataclass(frozen=True)
class Layer:
    """A piece, with what is known of its pictures and where they are on the screen."""

    piece: Piece
    info: SourceInfo
    pictures: Pictures
    box: Box

    def is_solid(self, begin: int, end: int, output: Output) -> bool:
        """Whether nothing below it is seen from one frame to before the other."""
        fills = self.box[2:] == (output.width, output.height)
        return fills and not self.pictures.has_alpha and not self.is_fading(begin, end)

    def is_fading(self, begin: int, end: int) -> bool:
        """Whether it comes in or goes out meanwhile."""
        return any(ramp.first < end and ramp.end > begin for ramp in self.piece.ramps)


def arguments(
    segment: RenderSegment,
    infos: Sequence[SourceInfo | None],
    drawn: Sequence[Drawn],
    output: Output,
    target: Path,
    threads: int,
) -> list[str | Path]:
    """What FFmpeg is to be told to make the pictures of a segment."""
    layers = _layers(segment, infos, output)
    made: list[str | Path] = ["-copyts"]
    each = max(1, 2 * threads // max(1, len(layers)))
    for layer in layers:
        made += ["-threads", str(each), *_input(layer, output.rate)]
    for one in drawn:
        made += ["-i", one.path]
    graph = _graph(segment, layers, drawn, output)
    made += ["-filter_complex", ";".join(graph), "-map", "[out]", "-threads", str(threads)]
    made += ENCODERS[output.format, output.proxy]
    made += ["-g", str(KEY_FRAME_SECONDS * round(output.rate)), "-r", str(output.rate)]
    made += ["-frames:v", str(segment.length), "-map_metadata", "-1", "-fflags", "+bitexact"]
    made += ["-video_track_timescale", str(timescale(output.rate))]
    return [*made, "-f", SUFFIX[output.format][1:], target]


def inputs(
    segment: RenderSegment, infos: Sequence[SourceInfo | None], output: Output
) -> Iterator[tuple[int, list[str]]]:
    """What of each source is shown, alone: the source's place, and FFmpeg's arguments."""
    for layer in _layers(segment, infos, output):
        piece = layer.piece
        played = (piece.end - piece.first) / output.rate * piece.speed
        until = layer.info.starts_at + float(piece.at + played)
        made = ["-copyts", *_input(layer, output.rate), "-map", f"0:{layer.pictures.stream}"]
        yield piece.source, [*made, "-vf", f"trim=end={until:.6f}"]


def timescale(rate: Fraction) -> int:
    """Units a second in which each frame begins at a whole number."""
    return rate.numerator * max(1, -(-TIMESCALE // rate.numerator))


def _layers(
    segment: RenderSegment, infos: Sequence[SourceInfo | None], output: Output
) -> list[Layer]:
    """The pieces with pictures that are seen at any time."""
    found = [_layer(piece, infos[piece.source], output) for piece in segment.pieces]
    layers = [layer for layer in found if layer is not None]
    spans = pairwise(_edges(segment.length, layers))
    seen = {index for span in spans for index in _seen(layers, *span, output)}
    return [layer for index, layer in enumerate(layers) if index in seen]


def _layer(piece: Piece, info: SourceInfo | None, output: Output) -> Layer | None:
    """Nothing where the source has no pictures."""
    if info is None or info.pictures is None:
        return None
    shape = info.pictures
    box = box_of(shape.width, shape.height, (output.width, output.height))
    return Layer(piece, info, shape, box)


def _entry(layer: Layer) -> int:
    """At which second the source is entered; one that has ended is to show its last picture."""
    at = layer.piece.at
    if layer.pictures.last_at is not None:
        at = min(at, Fraction(layer.pictures.last_at))
    return layer.info.entry(layer.pictures.stream, at - EARLY_SECONDS)


def _input(layer: Layer, rate: Fraction) -> list[str]:
    if layer.pictures.is_still:
        return ["-r", str(rate), *ffmpeg.source(layer.info.path)]
    entry = _entry(layer)
    # Not `-t`: it would count from the key frame before. FFmpeg stops reading when all is shown.
    seek = ["-ss", str(entry), "-noaccurate_seek"] if entry else []
    return [*seek, "-an", "-sn", "-dn", *ffmpeg.source(layer.info.path)]


def _graph(
    segment: RenderSegment, layers: Sequence[Layer], drawn: Sequence[Drawn], output: Output
) -> Iterator[str]:
    spans = list(pairwise(_edges(segment.length, layers)))
    seen = [_seen(layers, begin, end, output) for begin, end in spans]
    for index, layer in enumerate(layers):
        shown = [place for place, indices in enumerate(seen) if index in indices]
        yield _played(index, layer, shown, output)
        for place in shown:
            begin, end = (edge - layer.piece.first for edge in spans[place])
            cut = f"trim=start_frame={begin}:end_frame={end},setpts=PTS-STARTPTS"
            yield f"[p{index}s{place}]{cut}{_plain(layer, spans[place], output)}[l{index}s{place}]"
    for place, ((begin, end), indices) in enumerate(zip(spans, seen, strict=True)):
        shown_layers = [(f"l{index}s{place}", layers[index]) for index in indices]
        yield from _composed(place, (begin, end), shown_layers, output)
    joined = "".join(f"[s{place}]" for place in range(len(spans)))
    # Frames are counted anew: what times the parts were joined by is rounded.
    count = f"concat=n={len(spans)}:v=1:a=0,settb={1 / output.rate},setpts=N"
    yield f"{joined}{count}[film]"
    yield from _captioned(len(layers), drawn, output)


def _edges(length: int, layers: Sequence[Layer]) -> list[int]:
    edges = {0, length}
    for layer in layers:
        edges |= {layer.piece.first, layer.piece.end}
        edges |= {edge for ramp in layer.piece.ramps for edge in (ramp.first, ramp.end)}
    return sorted(edge for edge in edges if 0 <= edge <= length)


def _seen(layers: Sequence[Layer], begin: int, end: int, output: Output) -> list[int]:
    """The layers that are there, without those under one that hides them."""
    there = [
        index
        for index, layer in enumerate(layers)
        if layer.piece.first <= begin and layer.piece.end >= end
    ]
    for place in reversed(range(len(there))):
        if layers[there[place]].is_solid(begin, end, output):
            return there[place:]
    return there


def _played(index: int, layer: Layer, shown: Sequence[int], output: Output) -> str:
    """A piece at the film's rate and size, once for each span in which it is seen."""
    piece, rate = layer.piece, output.rate
    length = piece.end - piece.first
    pixels = CLEAR_PIXELS if layer.pictures.has_alpha or piece.ramps else PIXELS
    filters = [_scaled(layer, output), "setsar=1", f"format={pixels[output.format]}"]
    if layer.pictures.is_still:
        # FFmpeg's `tpad` gives the first two frames time 0: frames are counted anew behind it.
        counted = f"settb={1 / rate},setpts=N"
        filters = [*filters, "setpts=0", f"{HOLD},trim=end_frame={length}", counted]
    else:
        filters = [*_timed(layer, length, rate), *filters]
    if piece.ramps:
        filters += [
            *(_faded(ramp, piece.first) for ramp in piece.ramps),
            f"settb={1 / rate}",
            "setpts=N",
        ]
    copies = "".join(f"[p{index}s{place}]" for place in shown)
    return f"[{index}:{layer.pictures.stream}]{','.join(filters)},split={len(shown)}{copies}"


def _timed(layer: Layer, length: int, rate: Fraction) -> list[str]:
    """A piece's frames, chosen by their times: the film's, in microseconds from its first."""
    piece, at = layer.piece, layer.piece.at
    zero = layer.info.starts_at + float(at)
    speed, slack = float(piece.speed), float(SLACK_SECONDS)
    # From where the source is entered, for it may end before its first frame is due.
    early = max(0, math.ceil((at - _entry(layer)) / piece.speed * rate))
    return [
        *deinterlaced(layer.pictures.is_tiny),
        f"settb=1/1000000,setpts='((PTS*TB-{zero:.6f})/{speed:.3f}-{slack})*1000000'",
        f"fps={rate}:round=up:start_time={-float(early / rate) - HAIR_SECONDS:.6f}",
        f"{HOLD},trim=start_frame={early}:end_frame={early + length},setpts=PTS-STARTPTS",
    ]


def _scaled(layer: Layer, output: Output) -> str:
    _, _, width, height = layer.box
    matrix = ":in_color_matrix=bt709" if layer.pictures.is_bt709 else ""
    # What follows sees the rotated picture: FFmpeg turns it by the note in the header.
    scale = f"scale={width}:{height}{matrix}:out_color_matrix=bt709:out_range=tv"
    return f"{TO_SDR},{scale}" if layer.pictures.is_hdr else scale


def _faded(ramp: Ramp, first: int) -> str:
    """A ramp over frames from ``first`` on: told by time, for it may have begun before."""
    kind = "in" if ramp.rising else "out"
    # FFmpeg takes what comes before zero for the end.
    counted = f"settb=1/{ramp.length * FINE},setpts='{FINE}*max(0,N{first - ramp.first:+d})'"
    return f"{counted},fade=t={kind}:st=0:d=1:alpha=1"


def _plain(layer: Layer, span: tuple[int, int], output: Output) -> str:
    """Without its transparency where it has none in the span: nothing is blended then."""
    if not layer.piece.ramps or layer.pictures.has_alpha or layer.is_fading(*span):
        return ""
    return f",format={PIXELS[output.format]}"


def _composed(
    place: int, span: tuple[int, int], layers: Sequence[tuple[str, Layer]], output: Output
) -> Iterator[str]:
    """The layers of a span over each other, the lowest over black."""
    left, top, width, height = layers[0][1].box if layers else (0, 0, 0, 0)
    canvas = f"{output.width}:{output.height}"
    if layers and not (layers[0][1].pictures.has_alpha or layers[0][1].is_fading(*span)):
        name, _ = layers[0]
        fills = (width, height) == (output.width, output.height)
        filters = "null" if fills else f"pad={canvas}:{left}:{top}"
        base, layers = f"[{name}]{filters}", layers[1:]
    else:
        size = f"{output.width}x{output.height}"
        base = f"color=black:s={size}:r={output.rate},format={PIXELS[output.format]}"
        base += f",setsar=1,trim=end_frame={span[1] - span[0]}"
    for index, (name, layer) in enumerate(layers):
        yield f"{base}[s{place}b{index}]"
        base = f"[s{place}b{index}][{name}]overlay={layer.box[0]}:{layer.box[1]}"
        # With `pass`, FFmpeg's threads wait for each other in one of three runs (9.0).
        base += f":eof_action=repeat:format={BLENDED[output.format]}"
    yield f"{base},format={PIXELS[output.format]}[s{place}]"


def _captioned(inputs: int, drawn: Sequence[Drawn], output: Output) -> Iterator[str]:
    base = "[film]null"
    for index, one in enumerate(drawn):
        yield f"{base}[c{index}]"
        base = f"[c{index}][{inputs + index}:v]overlay={one.left}:{one.top}"
        base += f":enable='between(n,{one.words.first},{one.words.end - 1})'"
        base += f":format={BLENDED[output.format]}"
    yield f"{base},format={PIXELS[output.format]},{STATE_BT709}[out]"
