"""What tests of hepae, of its native core and of other readers share: files, golden values, hostile inputs, strategies.

| module | what for |
|---|---|
| `hepae.testing.files` | trees made from arrays, jets that look like jets |
| `hepae.testing.golden` | does a reader restore the golden files to their recorded bits? |
| `hepae.testing.hostile` | damaged bytes: every bit, every length, accidents by seed |
| `hepae.testing.mutations` | manifests, models and CSV files changed in what they mean |
| `hepae.testing.strategies` | strategies of hypothesis for columns, bounds and counts (the extra `testing`) |

Nothing here needs pytest, and nothing of hepae outside this folder imports it.
"""

from __future__ import annotations

from hepae.testing.files import jets, write_events
from hepae.testing.golden import differences, digests, recorded, restored
from hepae.testing.hostile import damaged, flipped, prefixes
from hepae.testing.mutations import csv_text, json_text, mutated, onnx_model

__all__ = [
    "csv_text",
    "damaged",
    "differences",
    "digests",
    "flipped",
    "jets",
    "json_text",
    "mutated",
    "onnx_model",
    "prefixes",
    "recorded",
    "restored",
    "write_events",
]
