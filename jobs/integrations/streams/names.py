"""Define the streams with their partitions, retention and schema (docs/streams.md)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from jobs.features.registry import features

SCHEMAS = Path(__file__).with_name("schemas")
GENERIC = SCHEMAS / "FeatureJob.avsc"
REQUESTED = "jobs.requested"
COMPLETED = "jobs.completed"
FAILED = "jobs.failed"
PROGRESS = "jobs.progress"
ANALYTICS = "analytics.events"


@dataclass(frozen=True)
class Stream:
    """A stream. Its topic or key is created with ``retention`` and ``partitions``."""

    name: str
    schema: Path
    """The Avro schema of its records."""
    retention: timedelta = timedelta(days=7)
    partitions: int = 3


def get_feature_stream(slug: str) -> str:
    """Return the stream of a feature's starting jobs."""
    return f"jobs.{slug}"


def _build_stream(name: str, *, days: int = 7, partitions: int = 3) -> Stream:
    return Stream(name, SCHEMAS / f"{name}.avsc", timedelta(days=days), partitions)


def _build_feature_stream(slug: str) -> Stream:
    """Build the stream of a feature. Without a schema file, its parameters are only in JSON."""
    stream = _build_stream(get_feature_stream(slug))
    if stream.schema.is_file():
        return stream
    return Stream(stream.name, GENERIC)


STREAMS: Mapping[str, Stream] = {
    stream.name: stream
    for stream in (
        _build_stream(REQUESTED),
        *(_build_feature_stream(feature.slug) for feature in features().values()),
        _build_stream(COMPLETED, days=30, partitions=6),
        _build_stream(FAILED, days=30, partitions=6),
        _build_stream(PROGRESS, days=1),
        _build_stream(ANALYTICS, days=90, partitions=6),
    )
}
"""All streams by name."""
