"""Inference: decoding, engines, the runner and its callback."""
