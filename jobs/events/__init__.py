"""Keep one gapless, hash-chained log of events per user (docs/decisions/0028)."""
