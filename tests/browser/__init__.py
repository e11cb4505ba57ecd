"""The page in a real browser: Chromium plays real files through a running streamproxy."""
