"""Partners: who speaks with us over a broker of theirs (docs/partners.md)."""
