"""What OpenAPI says of projects and renders."""

import re

import pytest

from tests.contract import described


@pytest.mark.parametrize(
    "name",
    [
        "ProjectFieldsRequest",
        "PatchedProjectFieldsRequest",
        "RenderParametersRequest",
        "RenderOfBatchRequest",
    ],
)
def test_the_schema_tells_what_a_resolution_is(name: str):
    schemas = described()["components"]["schemas"]
    resolution = schemas[name]["properties"]["resolution"]
    assert resolution["type"] == "string"
    assert resolution["description"]
    for value in ("1920x1080", "16x16", "8192x8192"):
        assert re.search(resolution["pattern"], value)
    for value in ("1920", "161x90", "x", "1920x1080p", "0x16", " 16x16"):
        assert not re.search(resolution["pattern"], value)
