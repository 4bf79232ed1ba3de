"""Estimate what jobs cost and how long they take."""
