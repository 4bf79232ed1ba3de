"""Define the limits of inspecting an untrusted file (docs/security.md, "Hostile media")."""

from dataclasses import replace
from datetime import timedelta

from gpu_tasks.runtime.confinement import MIB, Limits

MEMORY_BYTES = 512 * MIB
"""Enough to decode a frame of `MAX_FRAME_PIXELS`."""
MAX_SCAN_SECONDS = 20.0
"""The longest scan of a file to measure its duration."""
PART_SECONDS = 90
"""The limit for pictures, and for sound. Their sum is less than the life of a signed URL."""
PICTURES_SECONDS = 45
"""Processor time. A film that takes longer has a thumbnail but no sprite strip."""
MAX_DECODED_PIXELS = 12_000_000_000
"""The pixels of 200 s of 1080p at 30 frames a second. Of a larger film, fewer frames are decoded,
after key frames."""
MIN_SPEECH_MS = 3_000
MAX_SPEECH_MS = 30_000
"""The length of speech in a voice sample, without pauses."""
MAX_PEAKS_BYTES = 2 * 1024 * MIB
MAX_PEAKS_MS = 4 * 60 * 60 * 1000
"""A larger or longer file has no waveform, because the whole file would be decoded."""
LEASE = timedelta(seconds=60)
"""The lease of a worker: longer than one read from the storage, and renewed between reads."""

PROBING = Limits(
    memory_bytes=MEMORY_BYTES,
    cpu_seconds=30,
    wall_seconds=2 * MAX_SCAN_SECONDS,
    file_bytes=0,
    answer_bytes=256 * 1024,
)
HASHING_BYTES = 1024 * MIB
"""The library hashes two ranges of up to 256 MiB at once, and holds WAV files twice."""
MARKING = Limits(
    memory_bytes=HASHING_BYTES,
    cpu_seconds=120,
    wall_seconds=180.0,
    file_bytes=3 * 1024 * MIB,
    answer_bytes=256 * 1024,
)
"""For results of any size: each is read, copied twice and hashed."""
READING_CREDENTIALS = Limits(
    memory_bytes=HASHING_BYTES,
    cpu_seconds=30,
    wall_seconds=30.0,
    file_bytes=0,
    answer_bytes=2 * MIB,
)
READING_BACK = replace(READING_CREDENTIALS, memory_bytes=256 * MIB)
"""For a file of 100 MiB in a request. WAV needs the most memory, 190 MB."""
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
