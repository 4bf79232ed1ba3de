"""Build FFmpeg's arguments and filter graph for the sound of a segment.

Sound is mixed in floating point and stored losslessly in 24 bits at a quarter of its level, so that
a mix that is too loud is not clipped before its loudness has been set.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from gpu_tasks.mediakit import ffmpeg
from gpu_tasks.render.contract import MIN_GAIN_DB, Output
from gpu_tasks.render.contract.segments import SAMPLE_RATE, Piece, Ramp, RenderSegment
from gpu_tasks.render.sources import SourceInfo

HEADROOM_DB = 12
EARLY_SECONDS = Fraction(1, 2)
"""How long before its first sample a source is entered: decoders and resamplers need a run-up."""
SLOWEST = Fraction(1, 2)
"""The least tempo that FFmpeg's `atempo` reaches in one step."""
RUN_OUT_SAMPLES = SAMPLE_RATE // 2
"""Samples read behind what is played: `atempo` holds back the end of its input."""
SUFFIX = ".wv"
BLOCK_SAMPLES = SAMPLE_RATE // 2
"""WavPack uses the first frame's length for its blocks, and rejects one under 128 samples."""
BOTH = "pan=stereo|c0=c0|c1=c0"
"""Makes a channel as loud on two speakers as it was on one."""
STEREO = "aformat=sample_fmts=fltp:channel_layouts=stereo"


def count_samples(frames: int, rate: Fraction) -> int:
    """Return the number of samples in this many frames."""
    return round(frames * SAMPLE_RATE / rate)


def build_arguments(
    segment: RenderSegment, infos: Sequence[SourceInfo | None], output: Output, target: Path
) -> list[str | Path]:
    """Return FFmpeg's arguments for making the sound of a segment."""
    args: list[str | Path] = ["-copyts"]
    graph: list[str] = []
    labels: list[str] = []
    for piece in segment.pieces:
        info = infos[piece.source]
        if info is not None and info.sound is not None:
            index = len(labels)
            args += _build_input_arguments(piece, info, output.rate)
            graph.append(
                f"[{index}:{info.sound}]{_build_piece_filters(piece, info, output.rate)}[a{index}]"
            )
            labels.append(f"[a{index}]")
    length = count_samples(segment.length, output.rate)
    # Without silence, the mix would begin with the first clip and end with the last.
    silence = f"anullsrc=r={SAMPLE_RATE}:cl=stereo,{STEREO},atrim=end_sample={length}[silence]"
    mix = f"{''.join(labels)}[silence]amix=inputs={len(labels) + 1}:normalize=0:duration=longest"
    end = f"atrim=end_sample={length},volume=-{HEADROOM_DB}dB,asetpts=N/SR/TB"
    end += f",asetnsamples=n={BLOCK_SAMPLES}:p=0"
    args += ["-filter_complex", ";".join([*graph, silence, f"{mix},{end}[out]"]), "-map", "[out]"]
    args += ["-c:a", "wavpack", "-sample_fmt", "s32p", "-bits_per_raw_sample", "24"]
    return [*args, "-map_metadata", "-1", "-fflags", "+bitexact", "-f", "wv", target]


def list_inputs(
    segment: RenderSegment, infos: Sequence[SourceInfo | None], output: Output
) -> Iterator[tuple[int, list[str]]]:
    """Yield each audible source's index with FFmpeg's arguments for decoding it alone."""
    for piece in segment.pieces:
        info = infos[piece.source]
        if info is not None and info.sound is not None:
            yield (
                piece.source,
                [*_build_input_arguments(piece, info, output.rate), "-map", f"0:{info.sound}"],
            )


def _get_source_second(piece: Piece, rate: Fraction) -> Fraction:
    """Return the second of the source where a piece's clip begins: tempo depends on it."""
    return piece.at - piece.since / rate * piece.speed


def _get_fade_origin(piece: Piece) -> int:
    """Return the frame from which fades are counted: the first at which one begins."""
    return min([piece.first - piece.since, *(ramp.first for ramp in piece.ramps)])


def _find_entry_second(piece: Piece, info: SourceInfo, rate: Fraction) -> int:
    """Return the whole second at which the source is entered: there, its samples meet ours."""
    if info.sound is None:
        return 0
    return info.entry(info.sound, _get_source_second(piece, rate) - EARLY_SECONDS)


def _build_input_arguments(piece: Piece, info: SourceInfo, rate: Fraction) -> list[str]:
    entry = _find_entry_second(piece, info, rate)
    source_seconds = (piece.end - piece.first) / rate * piece.speed
    length = float(piece.at - entry + source_seconds) + 1.0
    seek = ["-ss", str(entry)] if entry else []
    return [*seek, "-t", f"{length:.3f}", "-vn", "-sn", "-dn", *ffmpeg.source(info.path)]


def _build_piece_filters(piece: Piece, info: SourceInfo, rate: Fraction) -> str:
    """Return the filters that place a piece in the segment at its level."""
    entry = _find_entry_second(piece, info, rate)
    begin = round((_get_source_second(piece, rate) - entry) * SAMPLE_RATE)
    skipped = count_samples(piece.since, rate)
    run_up = piece.first - piece.since - _get_fade_origin(piece)
    first = count_samples(piece.first, rate)
    length = count_samples(piece.end, rate) - first
    source_samples = -(-(skipped + length) * piece.speed.numerator // piece.speed.denominator)
    source_samples += RUN_OUT_SAMPLES if piece.speed != 1 else 0
    filters = [
        f"asetpts=PTS-{info.starts_at + entry:.6f}/TB",
        # Gaps are filled, and a stream that begins late is padded.
        f"aresample={SAMPLE_RATE}:async=1:first_pts=0",
        *([BOTH] if info.is_mono else []),
        STEREO,
        f"atrim=start_sample={begin}:end_sample={begin + source_samples}",
        "asetpts=N/SR/TB",
        *_build_tempo_filters(piece.speed, source_samples),
        f"apad=whole_len={skipped + length}",
        *_build_gain_filters(piece),
        # Fades are computed from times, which FFmpeg would round down.
        f"asetpts='round((N+{count_samples(run_up, rate)})/SR/TB)'",
        *(_build_fade_filter(ramp, piece, rate) for ramp in piece.ramps),
        f"atrim=start_sample={skipped}:end_sample={skipped + length}",
        "asetpts=N/SR/TB",
        f"adelay=delays={first}S:all=1",
    ]
    return ",".join(filters)


def _build_tempo_filters(speed: Fraction, length: int) -> Iterator[str]:
    if speed != 1:
        yield f"apad=whole_len={length}"
    while speed < SLOWEST:
        yield f"atempo={float(SLOWEST)}"
        speed /= SLOWEST
    if speed != 1:
        yield f"atempo={float(speed):.6f}"


def _build_gain_filters(piece: Piece) -> list[str]:
    if piece.gain_db <= MIN_GAIN_DB:
        return ["volume=0"]
    return [f"volume={piece.gain_db}dB"] if piece.gain_db else []


def _build_fade_filter(ramp: Ramp, piece: Piece, rate: Fraction) -> str:
    """Return a fade, linear in amplitude; of equal power for a dissolve, whose sounds differ."""
    kind = "in" if ramp.rising else "out"
    curve = "qsin" if ramp.dissolve else "tri"
    first = count_samples(ramp.first - _get_fade_origin(piece), rate)
    length = count_samples(ramp.length, rate)
    return f"afade=t={kind}:start_sample={first}:nb_samples={length}:curve={curve}"
