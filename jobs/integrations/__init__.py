"""Tell other systems about jobs. No other part of `jobs` imports these packages."""
