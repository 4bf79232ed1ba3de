"""`python -m tests.modal_peer`."""

from tests.modal_peer.cli import main

if __name__ == "__main__":
    main()
