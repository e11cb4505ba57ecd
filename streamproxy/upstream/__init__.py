"""All that dials out, and the only place that knows the client's aiohttp errors."""
