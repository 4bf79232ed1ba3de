"""Serve the API to agents by the Model Context Protocol (docs/decisions/0057-mcp.md)."""
