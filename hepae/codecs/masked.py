"""Placeholder until the codec lands: only its spec, so that the manifest can name it."""

from __future__ import annotations

import msgspec


class MaskedSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="codec", tag="masked"):
    """Parameters of the masked codec."""
