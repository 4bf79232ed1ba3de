"""Rows that leave, or are copied, as Parquet in the object storage (docs/decisions/0048)."""
