"""Taggers: networks that tell jets apart, and what they say of compressed ones."""

from __future__ import annotations

__all__: list[str] = []
