"""Parts that all endpoints share: problem documents, cursor pages, rate limits, the schema."""
