"""Declare the effect of each tool to clients."""

from collections.abc import Callable
from typing import Any, Literal

from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations

Effect = Literal["reads", "changes", "spends"]

ANNOTATIONS: dict[Effect, ToolAnnotations] = {
    "reads": ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False),
    "changes": ToolAnnotations(
        read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    ),
    "spends": ToolAnnotations(
        read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
    ),
}
EFFECT = "auteur/effect"
"""The key of the effect in a tool's ``_meta``."""


def register_tools(server: MCPServer[Any], effect: Effect, *tools: Callable[..., Any]) -> None:
    """Register tools with the annotations of their effect."""
    for tool in tools:
        server.add_tool(tool, annotations=ANNOTATIONS[effect], meta={EFFECT: effect})
