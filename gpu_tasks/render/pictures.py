"""Build FFmpeg's arguments and filter graph for the pictures of a segment."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from gpu_tasks.mediakit import ffmpeg
from gpu_tasks.mediakit.film import STATE_BT709, TO_SDR, get_deinterlace_filter
from gpu_tasks.render.contract import Format, Output
from gpu_tasks.render.contract.frames import SLACK_SECONDS, Box, fit_box
from gpu_tasks.render.contract.segments import Piece, Ramp, RenderSegment
from gpu_tasks.render.drawing import CaptionPicture
from gpu_tasks.render.sources import Pictures, SourceInfo

EARLY_SECONDS = 1
"""How long before its first picture a source is entered, at least: decoders need a run-up."""
HAIR_SECONDS = 0.000_002
"""Subtracted from the start of `fps`, which takes microseconds and rounds up to a frame."""
TIMESCALE = 10_000
"""The least number of time units per second; a frame is a whole number of them."""

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
"""By format, and whether the output is a proxy."""
KEY_FRAME_SECONDS = 4
FINE = 1000
"""Time units per frame of a fade: rounded frame times would make a frame last too long, and
FFmpeg shows such a first frame twice.
"""
HOLD = "tpad=stop=-1:stop_mode=clone"
"""Repeats the last picture without end; a trim behind it sets the length."""
PIXELS = {Format.MP4: "yuv420p", Format.WEBM: "yuv420p", Format.MOV: "yuv422p10le"}
CLEAR_PIXELS = {Format.MP4: "yuva420p", Format.WEBM: "yuva420p", Format.MOV: "yuva422p10le"}
OVERLAY_FORMATS = {Format.MP4: "yuv420", Format.WEBM: "yuv420", Format.MOV: "yuv422p10"}
SUFFIX = {Format.MP4: ".mp4", Format.WEBM: ".mp4", Format.MOV: ".mov"}
"""The suffixes of segments: MP4 stores times more exactly than WebM does."""


@dataclass(frozen=True)
class Layer:
    """A piece with its source's pictures and its box on the canvas."""

    piece: Piece
    info: SourceInfo
    pictures: Pictures
    box: Box

    def is_solid(self, begin: int, end: int, output: Output) -> bool:
        """Return True if the layer hides everything below it for the whole frame range."""
        fills = self.box[2:] == (output.width, output.height)
        return fills and not self.pictures.has_alpha and not self.is_fading(begin, end)

    def is_fading(self, begin: int, end: int) -> bool:
        """Return True if a fade or dissolve overlaps the frame range."""
        return any(ramp.first < end and ramp.end > begin for ramp in self.piece.ramps)


def build_arguments(
    segment: RenderSegment,
    infos: Sequence[SourceInfo | None],
    captions: Sequence[CaptionPicture],
    output: Output,
    target: Path,
    threads: int,
) -> list[str | Path]:
    """Return FFmpeg's arguments for making the pictures of a segment."""
    layers = _list_visible_layers(segment, infos, output)
    args: list[str | Path] = ["-copyts"]
    threads_per_input = max(1, 2 * threads // max(1, len(layers)))
    for layer in layers:
        args += ["-threads", str(threads_per_input), *_build_input_arguments(layer, output.rate)]
    for caption in captions:
        args += ["-i", caption.path]
    graph = _build_graph(segment, layers, captions, output)
    args += ["-filter_complex", ";".join(graph), "-map", "[out]", "-threads", str(threads)]
    args += ENCODERS[output.format, output.proxy]
    args += ["-g", str(KEY_FRAME_SECONDS * round(output.rate)), "-r", str(output.rate)]
    args += ["-frames:v", str(segment.length), "-map_metadata", "-1", "-fflags", "+bitexact"]
    args += ["-video_track_timescale", str(get_timescale(output.rate))]
    return [*args, "-f", SUFFIX[output.format][1:], target]


def list_inputs(
    segment: RenderSegment, infos: Sequence[SourceInfo | None], output: Output
) -> Iterator[tuple[int, list[str]]]:
    """Yield each visible source's index with FFmpeg's arguments for decoding it alone."""
    for layer in _list_visible_layers(segment, infos, output):
        piece = layer.piece
        source_seconds = (piece.end - piece.first) / output.rate * piece.speed
        end_seconds = layer.info.starts_at + float(piece.at + source_seconds)
        args = [
            "-copyts",
            *_build_input_arguments(layer, output.rate),
            "-map",
            f"0:{layer.pictures.stream}",
        ]
        yield piece.source, [*args, "-vf", f"trim=end={end_seconds:.6f}"]


def get_timescale(rate: Fraction) -> int:
    """Return the time units per second with which every frame begins at a whole number."""
    return rate.numerator * max(1, -(-TIMESCALE // rate.numerator))


def _list_visible_layers(
    segment: RenderSegment, infos: Sequence[SourceInfo | None], output: Output
) -> list[Layer]:
    """Return the layers that are visible in at least one span."""
    candidates = [_build_layer(piece, infos[piece.source], output) for piece in segment.pieces]
    layers = [layer for layer in candidates if layer is not None]
    spans = pairwise(_list_edges(segment.length, layers))
    visible = {index for span in spans for index in _list_visible(layers, *span, output)}
    return [layer for index, layer in enumerate(layers) if index in visible]


def _build_layer(piece: Piece, info: SourceInfo | None, output: Output) -> Layer | None:
    """Return the layer of a piece, or None if its source has no pictures."""
    if info is None or info.pictures is None:
        return None
    pictures = info.pictures
    box = fit_box(pictures.width, pictures.height, (output.width, output.height))
    return Layer(piece, info, pictures, box)


def _find_entry_second(layer: Layer) -> int:
    """Return the second at which the source is entered.

    Behind the end of the source it is the last picture's, which is then held.
    """
    at = layer.piece.at
    if layer.pictures.last_at is not None:
        at = min(at, Fraction(layer.pictures.last_at))
    return layer.info.entry(layer.pictures.stream, at - EARLY_SECONDS)


def _build_input_arguments(layer: Layer, rate: Fraction) -> list[str]:
    if layer.pictures.is_still:
        return ["-r", str(rate), *ffmpeg.source(layer.info.path)]
    entry = _find_entry_second(layer)
    # Not `-t`: it would count from the key frame before. FFmpeg stops reading when all is shown.
    seek = ["-ss", str(entry), "-noaccurate_seek"] if entry else []
    return [*seek, "-an", "-sn", "-dn", *ffmpeg.source(layer.info.path)]


def _build_graph(
    segment: RenderSegment,
    layers: Sequence[Layer],
    captions: Sequence[CaptionPicture],
    output: Output,
) -> Iterator[str]:
    spans = list(pairwise(_list_edges(segment.length, layers)))
    visible = [_list_visible(layers, begin, end, output) for begin, end in spans]
    for index, layer in enumerate(layers):
        span_indices = [
            span_index for span_index, indices in enumerate(visible) if index in indices
        ]
        yield _build_layer_filters(index, layer, span_indices, output)
        for span_index in span_indices:
            begin, end = (edge - layer.piece.first for edge in spans[span_index])
            cut = f"trim=start_frame={begin}:end_frame={end},setpts=PTS-STARTPTS"
            cut += _build_opaque_filter(layer, spans[span_index], output)
            yield f"[p{index}s{span_index}]{cut}[l{index}s{span_index}]"
    for span_index, ((begin, end), indices) in enumerate(zip(spans, visible, strict=True)):
        visible_layers = [(f"l{index}s{span_index}", layers[index]) for index in indices]
        yield from _compose_layers(span_index, (begin, end), visible_layers, output)
    spans_in = "".join(f"[s{span_index}]" for span_index in range(len(spans)))
    # Frames are renumbered, because concat joins the spans at rounded times.
    renumber = f"concat=n={len(spans)}:v=1:a=0,settb={1 / output.rate},setpts=N"
    yield f"{spans_in}{renumber}[film]"
    yield from _overlay_captions(len(layers), captions, output)


def _list_edges(length: int, layers: Sequence[Layer]) -> list[int]:
    edges = {0, length}
    for layer in layers:
        edges |= {layer.piece.first, layer.piece.end}
        edges |= {edge for ramp in layer.piece.ramps for edge in (ramp.first, ramp.end)}
    return sorted(edge for edge in edges if 0 <= edge <= length)


def _list_visible(layers: Sequence[Layer], begin: int, end: int, output: Output) -> list[int]:
    """Return the indices of the layers in a span, without those under a solid one."""
    indices = [
        index
        for index, layer in enumerate(layers)
        if layer.piece.first <= begin and layer.piece.end >= end
    ]
    for position in reversed(range(len(indices))):
        if layers[indices[position]].is_solid(begin, end, output):
            return indices[position:]
    return indices


def _build_layer_filters(
    index: int, layer: Layer, span_indices: Sequence[int], output: Output
) -> str:
    """Return the filters that bring a piece to the film's rate and size, split for its spans."""
    piece, rate = layer.piece, output.rate
    length = piece.end - piece.first
    pixels = CLEAR_PIXELS if layer.pictures.has_alpha or piece.ramps else PIXELS
    filters = [_build_scale_filter(layer, output), "setsar=1", f"format={pixels[output.format]}"]
    if layer.pictures.is_still:
        # FFmpeg's `tpad` gives the first two frames time 0, so frames are renumbered behind it.
        renumber = f"settb={1 / rate},setpts=N"
        filters = [*filters, "setpts=0", f"{HOLD},trim=end_frame={length}", renumber]
    else:
        filters = [*_build_timing_filters(layer, length, rate), *filters]
    if piece.ramps:
        filters += [
            *(_build_fade_filter(ramp, piece.first) for ramp in piece.ramps),
            f"settb={1 / rate}",
            "setpts=N",
        ]
    copies = "".join(f"[p{index}s{span_index}]" for span_index in span_indices)
    return f"[{index}:{layer.pictures.stream}]{','.join(filters)},split={len(span_indices)}{copies}"


def _build_timing_filters(layer: Layer, length: int, rate: Fraction) -> list[str]:
    """Return the filters that choose a piece's frames by their times.

    Times are the film's, in microseconds from the piece's first frame.
    """
    piece, at = layer.piece, layer.piece.at
    zero = layer.info.starts_at + float(at)
    speed, slack = float(piece.speed), float(SLACK_SECONDS)
    # Frames count from where the source is entered: it may end before its first frame is due.
    early = max(0, math.ceil((at - _find_entry_second(layer)) / piece.speed * rate))
    return [
        *get_deinterlace_filter(layer.pictures.is_tiny),
        f"settb=1/1000000,setpts='((PTS*TB-{zero:.6f})/{speed:.3f}-{slack})*1000000'",
        f"fps={rate}:round=up:start_time={-float(early / rate) - HAIR_SECONDS:.6f}",
        f"{HOLD},trim=start_frame={early}:end_frame={early + length},setpts=PTS-STARTPTS",
    ]


def _build_scale_filter(layer: Layer, output: Output) -> str:
    _, _, width, height = layer.box
    matrix = ":in_color_matrix=bt709" if layer.pictures.is_bt709 else ""
    # FFmpeg has already rotated the picture as its header says.
    scale = f"scale={width}:{height}{matrix}:out_color_matrix=bt709:out_range=tv"
    return f"{TO_SDR},{scale}" if layer.pictures.is_hdr else scale


def _build_fade_filter(ramp: Ramp, first: int) -> str:
    """Return a fade over frames from ``first`` on, by time: it may begin before ``first``."""
    kind = "in" if ramp.rising else "out"
    # FFmpeg treats times before zero as the end of the fade.
    times = f"settb=1/{ramp.length * FINE},setpts='{FINE}*max(0,N{first - ramp.first:+d})'"
    return f"{times},fade=t={kind}:st=0:d=1:alpha=1"


def _build_opaque_filter(layer: Layer, span: tuple[int, int], output: Output) -> str:
    """Return a filter that drops the alpha of a layer that is opaque in the span.

    FFmpeg then blends nothing.
    """
    if not layer.piece.ramps or layer.pictures.has_alpha or layer.is_fading(*span):
        return ""
    return f",format={PIXELS[output.format]}"


def _compose_layers(
    span_index: int, span: tuple[int, int], layers: Sequence[tuple[str, Layer]], output: Output
) -> Iterator[str]:
    """Yield the filters that overlay a span's layers, the lowest over black."""
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
        yield f"{base}[s{span_index}b{index}]"
        base = f"[s{span_index}b{index}][{name}]overlay={layer.box[0]}:{layer.box[1]}"
        # With `pass`, FFmpeg's threads deadlock in one of three runs (9.0).
        base += f":eof_action=repeat:format={OVERLAY_FORMATS[output.format]}"
    yield f"{base},format={PIXELS[output.format]}[s{span_index}]"


def _overlay_captions(
    inputs: int, captions: Sequence[CaptionPicture], output: Output
) -> Iterator[str]:
    base = "[film]null"
    for index, caption in enumerate(captions):
        yield f"{base}[c{index}]"
        base = f"[c{index}][{inputs + index}:v]overlay={caption.left}:{caption.top}"
        base += f":enable='between(n,{caption.words.first},{caption.words.end - 1})'"
        base += f":format={OVERLAY_FORMATS[output.format]}"
    yield f"{base},format={PIXELS[output.format]},{STATE_BT709}[out]"
