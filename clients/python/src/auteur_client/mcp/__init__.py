"""The API for agents: a server of the Model Context Protocol (docs/decisions/0057-mcp.md)."""
