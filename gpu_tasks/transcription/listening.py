"""How both engines take in the sound: watched block by block."""

from collections.abc import Callable, Iterator

from gpu_tasks.audio import Block, SoundTrack


def listen(track: SoundTrack, report: Callable[[float], None]) -> Iterator[Block]:
    """The blocks, with a report for each: long silences are work too, and can be cancelled."""
    for block in track.blocks():
        report(block.share)
        yield block
