"""`python -m auteur.devstack`."""

import sys

from auteur.devstack.cli import main

if __name__ == "__main__":
    sys.exit(main())
