"""All that is a user's, in one archive: asked for, made by a worker, kept for some days.

Why it is so: docs/decisions/0039.
"""
