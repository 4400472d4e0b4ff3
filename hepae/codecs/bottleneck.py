"""Placeholder until the codec lands: only its spec, so that the manifest can name it."""

from __future__ import annotations

import msgspec


class BottleneckSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="codec", tag="bottleneck"):
    """Parameters of the bottleneck codec."""
