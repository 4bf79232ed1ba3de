"""Build the models of `output_data` for clients: one for each feature, by its declaration.

The rows hold the same, with keys of objects instead of URLs (`jobs.queries.build_output`).
"""

from functools import cache
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field, create_model

from gpu_tasks.runtime.contract import EngineInfo, PlainModel
from jobs.features.base import Feature


class ResultMedia(PlainModel):
    """A media file as a job has made it. `GET /media/:id` has its current properties."""

    id: UUID
    name: str
    type: Literal["video", "audio", "image"]
    mime_type: str
    duration_ms: int | None = Field(description="The duration. Null for a picture.")
    file_size_bytes: int
    metadata: dict[str, Any] = Field(description="The same properties as of all media.")
    download_url: str | None = Field(
        description="A URL of the file, which expires after 15 minutes. Null if the file was "
        "deleted."
    )


@cache
def build_output_model(feature: Feature) -> type[BaseModel]:
    """Return the model of the feature's output, with its engine and its media."""
    fields: dict[str, Any] = {
        "engine": (
            EngineInfo | None,
            Field(
                description="The engine that ran the job. Null for jobs from before it was "
                "recorded."
            ),
        )
    }
    if type(feature).outputs is not Feature.outputs:
        fields["media"] = (
            list[ResultMedia],
            Field(description="The media files that the job has made."),
        )
    base = feature.output or feature.contract.result
    name = f"{get_class_name(feature)}Output"
    return create_model(name, __base__=base, __doc__=base.__doc__, **fields)


def get_class_name(feature: Feature) -> str:
    """Return the feature's name as in classes and components: `LipSync`."""
    return feature.name.title().replace("_", "")
