"""Write pictures as PNG."""

from pathlib import Path

import cv2

from gpu_tasks.mediakit.film import Frame


def write(path: Path, picture: Frame) -> None:
    """Write an RGB picture; the path needs no extension."""
    _, content = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    path.write_bytes(content.tobytes())
