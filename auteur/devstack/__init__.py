"""The whole system on one machine, without root or Docker: for development, tests and the demo."""
