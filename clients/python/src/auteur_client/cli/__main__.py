"""`python -m auteur_client.cli`, which is the command `auteur`."""

from auteur_client.cli import main

main()
