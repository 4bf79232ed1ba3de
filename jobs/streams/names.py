"""The streams and their settings: partitions, retention and schema (docs/streams.md)."""

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
    """One stream; ``retention`` and ``partitions`` are what its topic or key is made with."""

    name: str
    schema: Path
    """The Avro schema of its records."""
    retention: timedelta = timedelta(days=7)
    partitions: int = 3


def of_feature(slug: str) -> str:
    """The stream of the jobs of a feature that begin."""
    return f"jobs.{slug}"


def _stream(name: str, *, days: int = 7, partitions: int = 3) -> Stream:
    return Stream(name, SCHEMAS / f"{name}.avsc", timedelta(days=days), partitions)


def _feature_stream(slug: str) -> Stream:
    """A feature without a schema of its own tells its parameters as JSON alone."""
    stream = _stream(of_feature(slug))
    if stream.schema.is_file():
        return stream
    return Stream(stream.name, GENERIC)


STREAMS: Mapping[str, Stream] = {
    stream.name: stream
    for stream in (
        _stream(REQUESTED),
        *(_feature_stream(feature.slug) for feature in features().values()),
        _stream(COMPLETED, days=30, partitions=6),
        _stream(FAILED, days=30, partitions=6),
        _stream(PROGRESS, days=1),
        _stream(ANALYTICS, days=90, partitions=6),
    )
}
"""By name."""
