"""Every attack that there is."""

from __future__ import annotations

from typing import Final

from tests.attacks import files, manifests, models, payloads, texts
from tests.attacks.attack import Attack

__all__ = ["ATTACKS"]

ATTACKS: Final[tuple[Attack, ...]] = (
    *models.ATTACKS,
    *manifests.ATTACKS,
    *files.ATTACKS,
    *payloads.ATTACKS,
    *texts.ATTACKS,
)
