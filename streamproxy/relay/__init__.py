"""Move body bytes from an upstream response to a client response."""
