"""The chaos suite: real processes, hurt while jobs are submitted; then the books are audited.

``python -m tests.chaos`` (`make chaos`) runs every fault and prints a table, names as arguments run
those only; `make test` runs the most telling ones.
"""
