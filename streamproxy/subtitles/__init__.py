"""Subtitle files, pure: bytes of whatever encoding and format in, clean WebVTT out."""
