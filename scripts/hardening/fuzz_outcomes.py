"""What inputs of a fuzz target come to: something valid, a typed error, or a finding; and the corpus that is kept."""

from __future__ import annotations

import hashlib
import io
import re
import resource
import tarfile
import time
import traceback
from collections import Counter
from pathlib import Path

from hepae.errors import DefectError, HepaeError
from scripts.hardening.fuzz_files import time_limit
from scripts.hardening.fuzz_targets import CORPUS, Target

__all__ = ["GROWTH", "Tally", "corpus_of", "keep", "outcome", "peak"]

GROWTH = 400 << 20
"""By how much the peak memory may grow over all inputs, which are small."""

MOST_KEPT = 40
"""Inputs of each target in the corpus of the repository."""


class TooLargeError(Exception):
    """An input made the process grow."""


def corpus_of(name: str) -> list[bytes]:
    """The inputs of a target that are kept."""
    path = CORPUS / f"{name}.tar.xz"
    if not path.exists():
        return []
    with tarfile.open(path) as archive:
        return [
            file.read() for member in archive for file in [archive.extractfile(member)] if file is not None
        ]


def keep(name: str, inputs: list[bytes]) -> None:
    """Write the corpus of a target: one archive, so that inputs that are alike take little."""
    with tarfile.open(CORPUS / f"{name}.tar.xz", "w:xz", preset=9) as archive:
        for data in sorted(inputs, key=len):
            member = tarfile.TarInfo(hashlib.sha256(data).hexdigest()[:16])
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def outcome(target: Target, data: bytes) -> tuple[str, str]:
    """What an input came to, in a few words without numbers, and the details of a finding."""
    before = peak()
    try:
        with time_limit():
            word = target.check(data)
        if peak() - before > GROWTH:
            raise TooLargeError(f"{(peak() - before) >> 20} MiB")
    except DefectError as defect:
        return f"FINDING {defect.where}", str(defect)
    except HepaeError as refused:
        return re.sub(r"[\d'\"].*", "", f"{type(refused).__name__}: {refused.what}"), ""
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - panics of compiled code too
        last = traceback.extract_tb(error.__traceback__)[-1]
        word = f"FINDING {type(error).__name__}, {Path(last.filename).name} {last.lineno}"
        return word, traceback.format_exc(limit=-12)
    return word, ""


def peak() -> int:
    """Largest memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


class Tally:
    """What the inputs of one run came to."""

    def __init__(self, name: str, target: Target, findings: Path) -> None:
        self.name, self.target, self.findings = name, target, findings
        self.began = time.monotonic()
        self.kept: dict[str, bytes] = {}
        self.outcomes: Counter[str] = Counter()

    def count(self, data: bytes) -> None:
        """Check an input; keep it if it came to something new, or is the smallest that did."""
        word, details = outcome(self.target, data)
        self.outcomes[word] += 1
        if details:
            self.findings.mkdir(parents=True, exist_ok=True)
            path = self.findings / f"{self.name}-{hashlib.sha256(data).hexdigest()[:16]}"
            if self.outcomes[word] <= 2:
                path.write_bytes(data)
                print(f"{path}: {details}", flush=True)
        elif word not in self.kept or len(data) < len(self.kept[word]):
            self.kept[word] = data

    @property
    def minutes(self) -> float:
        """How long the run takes so far."""
        return (time.monotonic() - self.began) / 60

    @property
    def found(self) -> int:
        """Number of findings."""
        return sum(n for word, n in self.outcomes.items() if word.startswith("FINDING"))

    def smallest(self) -> list[bytes]:
        """The smallest input of each outcome, as many as are kept in the repository."""
        return sorted(self.kept.values(), key=len)[:MOST_KEPT]

    def row(self) -> dict[str, object]:
        """A row of the page."""
        refused = sum(n for word, n in self.outcomes.items() if re.match(r"\w+Error", word))
        return {
            "target": self.name,
            "minutes": self.minutes,
            "inputs": self.outcomes.total(),
            "valid": self.outcomes.total() - refused - self.found,
            "refused": refused,
            "different outcomes": len(self.outcomes),
            "findings": self.found,
        }
