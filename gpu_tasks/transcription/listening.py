"""How both engines take in the sound: watched block by block, and no longer than was paid for."""

from collections.abc import Callable, Iterator

from gpu_tasks.audio import RATE, Block, SoundTrack
from gpu_tasks.errors import EngineError, ErrorCode
from gpu_tasks.transcription.contract import PAID_TOLERANCE_MS

TOO_LONG = "The file lasts longer than it says."


def listen(
    track: SoundTrack, paid_ms: int | None, report: Callable[[float], None]
) -> Iterator[Block]:
    """The blocks, with a report for each: long silences are work too, and can be cancelled.

    A price follows from what the container says of its length. Sound that goes on beyond it is
    refused, not cut: half a transcript is worth nothing, and a failed job is given back.
    """
    longest = None if paid_ms is None else (paid_ms + PAID_TOLERANCE_MS) * RATE // 1000
    for block in track.blocks():
        report(block.share)
        if longest is not None and block.end > longest:
            raise EngineError(ErrorCode.INPUT_INVALID, TOO_LONG)
        yield block
