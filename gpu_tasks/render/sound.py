"""The sound of a segment: FFmpeg's arguments and filter graph.

Mixed in floating point, and kept in 24 bits without loss, a quarter as loud: a mix that is too
loud is not cut before its loudness has been set.
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
"""How long before its first sample a source is entered: decoders and resamplers swing in."""
SLOWEST = Fraction(1, 2)
"""FFmpeg's `atempo` goes no lower at once."""
RUN_OUT_SAMPLES = SAMPLE_RATE // 2
"""Of the source, behind what is played: it keeps back what it may still need of the end."""
SUFFIX = ".wv"
BLOCK_SAMPLES = SAMPLE_RATE // 2
"""WavPack takes the mix's first frame for its block, and refuses one of under 128 samples."""
BOTH = "pan=stereo|c0=c0|c1=c0"
"""One channel is as loud on two as it was alone."""
STEREO = "aformat=sample_fmts=fltp:channel_layouts=stereo"


def samples_of(frames: int, rate: Fraction) -> int:
    """How many samples pass in some frames."""
    return round(frames * SAMPLE_RATE / rate)


def arguments(
    segment: RenderSegment, infos: Sequence[SourceInfo | None], output: Output, target: Path
) -> list[str | Path]:
    """What FFmpeg is to be told to make the sound of a segment."""
    made: list[str | Path] = ["-copyts"]
    graph: list[str] = []
    mixed: list[str] = []
    for piece in segment.pieces:
        info = infos[piece.source]
        if info is not None and info.sound is not None:
            index = len(mixed)
            made += _input(piece, info, output.rate)
            graph.append(f"[{index}:{info.sound}]{_played(piece, info, output.rate)}[a{index}]")
            mixed.append(f"[a{index}]")
    length = samples_of(segment.length, output.rate)
    # Without it, nothing would come before the first clip or behind the last.
    silence = f"anullsrc=r={SAMPLE_RATE}:cl=stereo,{STEREO},atrim=end_sample={length}[silence]"
    mix = f"{''.join(mixed)}[silence]amix=inputs={len(mixed) + 1}:normalize=0:duration=longest"
    end = f"atrim=end_sample={length},volume=-{HEADROOM_DB}dB,asetpts=N/SR/TB"
    end += f",asetnsamples=n={BLOCK_SAMPLES}:p=0"
    made += ["-filter_complex", ";".join([*graph, silence, f"{mix},{end}[out]"]), "-map", "[out]"]
    made += ["-c:a", "wavpack", "-sample_fmt", "s32p", "-bits_per_raw_sample", "24"]
    return [*made, "-map_metadata", "-1", "-fflags", "+bitexact", "-f", "wv", target]


def inputs(
    segment: RenderSegment, infos: Sequence[SourceInfo | None], output: Output
) -> Iterator[tuple[int, list[str]]]:
    """What of each source is played, alone: the source's place, and FFmpeg's arguments."""
    for piece in segment.pieces:
        info = infos[piece.source]
        if info is not None and info.sound is not None:
            yield piece.source, [*_input(piece, info, output.rate), "-map", f"0:{info.sound}"]


def _source_time(piece: Piece, rate: Fraction) -> Fraction:
    """Seconds of the source from which it is played: tempo depends on where it began."""
    return piece.at - piece.since / rate * piece.speed


def _faded_from(piece: Piece) -> int:
    """The frame from which fades are counted: the first that one begins at."""
    return min([piece.first - piece.since, *(ramp.first for ramp in piece.ramps)])


def _entry(piece: Piece, info: SourceInfo, rate: Fraction) -> int:
    """At which whole second the source is entered: there, its samples meet ours."""
    if info.sound is None:
        return 0
    return info.entry(info.sound, _source_time(piece, rate) - EARLY_SECONDS)


def _input(piece: Piece, info: SourceInfo, rate: Fraction) -> list[str]:
    entry = _entry(piece, info, rate)
    played = (piece.end - piece.first) / rate * piece.speed
    length = float(piece.at - entry + played) + 1.0
    seek = ["-ss", str(entry)] if entry else []
    return [*seek, "-t", f"{length:.3f}", "-vn", "-sn", "-dn", *ffmpeg.source(info.path)]


def _played(piece: Piece, info: SourceInfo, rate: Fraction) -> str:
    """A piece of a source where and as loud as it is in the segment."""
    entry = _entry(piece, info, rate)
    begin = round((_source_time(piece, rate) - entry) * SAMPLE_RATE)
    skipped = samples_of(piece.since, rate)
    run_up = piece.first - piece.since - _faded_from(piece)
    first = samples_of(piece.first, rate)
    length = samples_of(piece.end, rate) - first
    source = -(-(skipped + length) * piece.speed.numerator // piece.speed.denominator)
    source += RUN_OUT_SAMPLES if piece.speed != 1 else 0
    filters = [
        f"asetpts=PTS-{info.starts_at + entry:.6f}/TB",
        # Gaps are filled, and what begins late does so.
        f"aresample={SAMPLE_RATE}:async=1:first_pts=0",
        *([BOTH] if info.is_mono else []),
        STEREO,
        f"atrim=start_sample={begin}:end_sample={begin + source}",
        "asetpts=N/SR/TB",
        *_tempo(piece.speed, source),
        f"apad=whole_len={skipped + length}",
        *_gain(piece),
        # Fades are reckoned from times, which FFmpeg would round down.
        f"asetpts='round((N+{samples_of(run_up, rate)})/SR/TB)'",
        *(_faded(ramp, piece, rate) for ramp in piece.ramps),
        f"atrim=start_sample={skipped}:end_sample={skipped + length}",
        "asetpts=N/SR/TB",
        f"adelay=delays={first}S:all=1",
    ]
    return ",".join(filters)


def _tempo(speed: Fraction, length: int) -> Iterator[str]:
    if speed != 1:
        yield f"apad=whole_len={length}"
    while speed < SLOWEST:
        yield f"atempo={float(SLOWEST)}"
        speed /= SLOWEST
    if speed != 1:
        yield f"atempo={float(speed):.6f}"


def _gain(piece: Piece) -> list[str]:
    if piece.gain_db <= MIN_GAIN_DB:
        return ["volume=0"]
    return [f"volume={piece.gain_db}dB"] if piece.gain_db else []


def _faded(ramp: Ramp, piece: Piece, rate: Fraction) -> str:
    """A fade in amplitude, or half a dissolve: of equal power, for the two sounds are different."""
    kind = "in" if ramp.rising else "out"
    curve = "qsin" if ramp.dissolve else "tri"
    first = samples_of(ramp.first - _faded_from(piece), rate)
    length = samples_of(ramp.length, rate)
    return f"afade=t={kind}:start_sample={first}:nb_samples={length}:curve={curve}"
