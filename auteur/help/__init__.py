"""The docs site at `/help`: pages made from declarations, their build and their views.

The reasons: docs/decisions/0056-docs-site.md. Only the build needs MkDocs.
"""
