#!/usr/bin/env python
"""Management commands; with no environment they speak to the embedded stack."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auteur.settings")
    execute_from_command_line(sys.argv)
