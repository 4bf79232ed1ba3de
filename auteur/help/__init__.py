"""The docs site at `/help`: what is made of declarations, how it is built and served.

Why it is so: docs/decisions/0056-docs-site.md. Nothing but the build needs MkDocs.
"""
