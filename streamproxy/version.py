"""The version of this package, for those who ask: metadata, --version, User-Agent."""

__version__ = "0.1.0"
