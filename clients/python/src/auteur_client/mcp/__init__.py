"""The API for agents: a server of the Model Context Protocol (docs/decisions/0057-mcp.md)."""

from auteur_client.mcp.access import Serving
from auteur_client.mcp.server import build, serve_http, serve_stdio

__all__ = ["Serving", "build", "serve_http", "serve_stdio"]
