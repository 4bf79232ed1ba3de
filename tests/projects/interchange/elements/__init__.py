"""Every element of each format, a file that has it, and what an import makes of it.

The table in docs/interchange.md has the same rows, in the same order. A fate is ``read`` (the film
is then ``plays``), ``left out`` (the film is the one of ``PLAIN``), or the code of a refusal.
"""

from tests.projects.interchange.elements import cmx, otio, xmeml

ELEMENTS = [*cmx.rows(), *xmeml.rows(), *otio.rows()]
