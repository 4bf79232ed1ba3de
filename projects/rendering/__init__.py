"""Inputs of a project's renders, and the render segments that are stored already (decision 13)."""
