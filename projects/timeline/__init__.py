"""The timeline and what is said on it: shapes, rules, and edits as functions on plain values."""
