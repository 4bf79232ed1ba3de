"""What looking at one untrusted file may take (docs/security.md, "Hostile media")."""

from dataclasses import replace
from datetime import timedelta

from gpu_tasks.runtime.confinement import MIB, Limits

MEMORY_BYTES = 512 * MIB
"""A frame of `MAX_FRAME_PIXELS`, and what it takes to get there."""
MAX_SCAN_SECONDS = 20.0
"""Of reading on to learn how long a file lasts."""
PART_SECONDS = 90
"""Pictures and sound may take so long each: together less than the source's signed URL lives."""
PICTURES_SECONDS = 45
"""Of processor; a film that takes longer has a thumbnail and no sprite strip."""
MAX_DECODED_PIXELS = 12_000_000_000
"""Of a film, as many as 200 s of 1080p at 30 frames a second have: of a larger one fewer frames are
decoded, from key frames on."""
MIN_SPEECH_MS = 3_000
MAX_SPEECH_MS = 30_000
"""The length of speech in a voice sample, without pauses."""
MAX_PEAKS_BYTES = 2 * 1024 * MIB
MAX_PEAKS_MS = 4 * 60 * 60 * 1000
"""A larger or longer file has no waveform: all of it would be read and decoded."""
LEASE = timedelta(seconds=60)
"""Of whoever looks: longer than one read from the storage may take, and renewed meanwhile."""

PROBING = Limits(
    memory_bytes=MEMORY_BYTES,
    cpu_seconds=30,
    wall_seconds=2 * MAX_SCAN_SECONDS,
    file_bytes=0,
    answer_bytes=256 * 1024,
)
HASHING_BYTES = 1024 * MIB
"""The library hashes two stretches of up to 256 MiB at once; WAV it holds twice."""
MARKING = Limits(
    memory_bytes=HASHING_BYTES,
    cpu_seconds=120,
    wall_seconds=180.0,
    file_bytes=3 * 1024 * MIB,
    answer_bytes=256 * 1024,
)
"""A result is read, copied twice and hashed, whatever its size."""
READING_CREDENTIALS = Limits(
    memory_bytes=HASHING_BYTES,
    cpu_seconds=30,
    wall_seconds=30.0,
    file_bytes=0,
    answer_bytes=2 * MIB,
)
READING_BACK = replace(READING_CREDENTIALS, memory_bytes=256 * MIB)
"""Of a file of 100 MiB, in a request: WAV, of which the library holds most, takes 190 MB."""
LISTENING = Limits(
    memory_bytes=MEMORY_BYTES,
    cpu_seconds=60,
    wall_seconds=120.0,
    file_bytes=0,
    answer_bytes=64 * 1024,
)
DECODING = Limits(
    memory_bytes=MEMORY_BYTES,
    cpu_seconds=PART_SECONDS,
    wall_seconds=PART_SECONDS,
    file_bytes=0,
    answer_bytes=16 * MIB,
)
