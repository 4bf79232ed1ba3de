"""Calls of the compression function, and the files that go in and come out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import av
import numpy as np
import pytest

from gpu_tasks.compression.contract import (
    SOUND,
    VIDEO,
    Codec,
    CompressionPayload,
    CompressionResult,
)
from gpu_tasks.runtime.contract import InputFile, OutputFile
from gpu_tasks.runtime.engine import Engine
from gpu_tasks.runtime.errors import EngineError, ErrorCode
from gpu_tasks.runtime.stages import Stage
from tests.gpu_tasks.workspaces import workspace


def payload(
    target: Any = "web", content_type: str = VIDEO, codec: str | None = None
) -> CompressionPayload:
    """Return the payload of a call."""
    return CompressionPayload(
        job_id=uuid4(),
        attempt_id=uuid4(),
        callback_url="http://127.0.0.1:9/callback",
        media=InputFile(url="http://127.0.0.1:9/media", name="source.bin"),
        target=target,
        codec=codec and Codec(codec),
        result=OutputFile(key="r", content_type=content_type),
    )


def compress(
    engine: Engine,
    root: Path,
    source: Path,
    target: Any = "web",
    *,
    sound: bool = False,
    codec: str | None = None,
    progress: Callable[[float], None] = lambda _share: None,
    enter: Callable[[Stage], None] = lambda _stage: None,
) -> tuple[CompressionResult, Path]:
    """Return the result and the written file, whose size is checked."""
    files = workspace(
        root, inputs={"media": source}, outputs=["result"], progress=progress, enter=enter
    )
    result = engine.run(payload(target, SOUND if sound else VIDEO, codec), files)
    assert isinstance(result, CompressionResult)
    path = files.output("result")
    assert result.size_bytes == path.stat().st_size
    assert result.source_bytes == source.stat().st_size
    assert result.ratio <= 1 or result.kept_source
    return result, path


def refused(engine: Engine, root: Path, source: Path, target: Any, **request: Any) -> str:
    """Return the message with which a call is refused."""
    with pytest.raises(EngineError) as caught:
        compress(engine, root, source, target, **request)
    assert caught.value.code == ErrorCode.INPUT_INVALID
    return caught.value.message


def frames_of(path: Path) -> list[np.ndarray]:
    """Return the frames, as grey pictures."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]


def starts_at_once(path: Path) -> bool:
    """Whether players find the index before the media."""
    content = path.read_bytes()
    return content.index(b"moov") < content.index(b"mdat")
