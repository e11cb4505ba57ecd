"""Pure rules of RFC 9110: no aiohttp, no asyncio, no clock."""
