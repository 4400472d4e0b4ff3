"""Named limits: what a reader accepts before it allocates anything.

Each limit is far above what real files need and far below what would hurt a machine. A size beyond its limit is a
`LimitError` that names the limit.
"""

from __future__ import annotations

from typing import Final

from hepae.errors import LimitError

FORMAT_VERSION: Final = 1

MAX_MANIFEST_BYTES: Final = 16 << 20
MAX_REFERRED_BYTES: Final = 64 << 20
MAX_MODEL_BYTES: Final = 64 << 20
MAX_MODELS_PER_FILE: Final = 4096
MAX_MODEL_NODES: Final = 20_000
MAX_INITIALISER_ELEMENTS: Final = 32 << 20
MAX_ROW_ELEMENTS: Final = 1 << 18
MAX_RANK: Final = 5
MAX_FEATURES: Final = 4096
MAX_COLUMNS: Final = 1 << 17
MAX_NAME_LENGTH: Final = 512
MAX_EVENTS_PER_CHUNK: Final = 1 << 24
MAX_OBJECTS_PER_CHUNK: Final = 1 << 26
MAX_PAYLOAD_BYTES: Final = 1 << 30
MAX_ENVELOPE_BYTES: Final = 1 << 30
MAX_LATENTS: Final = 1024
MAX_INSERTED_POINTS: Final = 64
MAX_LOG_TABLE: Final = 1 << 20
MAX_TABLE_ENTRIES: Final = 1 << 24
MAX_CUT_CHARACTERS: Final = 4096
MAX_CUT_DEPTH: Final = 20
MAX_CSV_LINE_BYTES: Final = 64 << 20

EVENTS_PER_CHUNK: Final = 20_000
"""Events coded together by default: large enough to code well, small enough for random access and many cores."""

OBJECTS_PER_CHUNK: Final = 400_000
"""A chunk is closed early when it holds this many objects, which bounds the memory of one chunk."""


def check(name: str, got: int, limit: int, where: object = None, least: int = 0) -> int:
    """Return ``got`` if ``least <= got <= limit``, else raise `LimitError` naming the limit."""
    if not least <= got <= limit:
        raise LimitError(f"{name} out of range", where=where, expected=f"{least} to {limit}", got=got)
    return got
