"""What an attack is, and what comes of one."""

from __future__ import annotations

import re
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hepae.errors import HepaeError

__all__ = ["Attack", "Outcome", "attempt"]

MOST_SECONDS = 2.0
MOST_BYTES = 160 << 20


@dataclass(frozen=True)
class Attack:
    """Something hostile, and what must come of it.

    Parameters
    ----------
    name
        What it would do.
    run
        Builds it in an empty folder and gives it to hepae.
    refusal
        The error that it must get; None where it must come to nothing, which ``run`` then asserts itself.
    words
        Regular expression that the message must match.
    """

    name: str
    run: Callable[[Path], object]
    refusal: type[HepaeError] | None
    words: str = ""


@dataclass(frozen=True)
class Outcome:
    """What came of an attack: what it got in one line, CPU seconds and most bytes allocated by Python."""

    got: str
    repelled: bool
    seconds: float
    peak: int

    @property
    def cheap(self) -> bool:
        """Whether it was dealt with quickly and in little memory."""
        return self.seconds <= MOST_SECONDS and self.peak <= MOST_BYTES


def attempt(attack: Attack, folder: Path) -> Outcome:
    """Run an attack."""
    tracemalloc.start()
    began = time.process_time()
    try:
        attack.run(folder)
        got, repelled = "no harm", attack.refusal is None
    except HepaeError as refused:
        got = f"{type(refused).__name__}: {refused}"
        repelled = attack.refusal is not None and isinstance(refused, attack.refusal)
        repelled = repelled and re.search(attack.words, str(refused)) is not None
    except Exception as error:  # noqa: BLE001 - whatever else comes of it is what must not be
        got, repelled = f"untyped {type(error).__name__}: {error}", False
    finally:
        seconds, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return Outcome(got.split("\n")[0], repelled, seconds, peak)
