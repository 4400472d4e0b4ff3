"""Fuzz what takes bytes from strangers: each input comes to something valid or to a typed error, soon and in memory.

    python -m scripts.hardening.fuzz --target payload --minutes 10 --evidence docs/evidence/fuzz.md

Inputs are mutations of the seeds and of the corpus; one whose outcome was not seen before joins them, and with
``--keep`` the corpus in the repository, which a test replays. Anything else than a word or a `HepaeError` is a finding:
it is printed, left in ``--findings`` and makes the exit code 1.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import re
import resource
import sys
import tarfile
import time
import traceback
from collections import Counter
from pathlib import Path

import numpy as np

from hepae.errors import HepaeError
from scripts.hardening import evidence
from scripts.hardening.fuzz_files import time_limit
from scripts.hardening.fuzz_targets import CORPUS, TARGETS, Target, make_seeds

MEMORY = 4 << 30
GROWTH = 400 << 20
"""By how much the peak memory may grow over all inputs, which are small."""

MOST_MUTATIONS = 4
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


class Fuzzing:
    """One run of one target."""

    def __init__(self, name: str, seed: int, findings: Path) -> None:
        self.name, self.target, self.findings = name, TARGETS[name], findings
        self.rng = np.random.default_rng(seed)
        self.seeds = self.target.seeds()
        self.kept: dict[str, bytes] = {}
        self.outcomes: Counter[str] = Counter()
        for data in (*self.seeds, *corpus_of(name)):
            self.try_one(data)

    def try_one(self, data: bytes) -> None:
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

    def mutated(self) -> bytes:
        """Another input."""
        pool = self.seeds if self.rng.random() < 0.6 else list(self.kept.values())
        data = pool[int(self.rng.integers(len(pool)))]
        for _ in range(int(self.rng.integers(1, MOST_MUTATIONS + 1))):
            data = self.target.mutations[int(self.rng.integers(len(self.target.mutations)))](data, self.rng)
        return data

    @property
    def found(self) -> int:
        """Number of findings."""
        return sum(n for word, n in self.outcomes.items() if word.startswith("FINDING"))

    def row(self, minutes: float) -> dict[str, object]:
        """A row of the page."""
        refused = sum(n for word, n in self.outcomes.items() if re.match(r"\w+Error", word))
        return {
            "target": self.name,
            "minutes": minutes,
            "inputs": self.outcomes.total(),
            "valid": self.outcomes.total() - refused - self.found,
            "refused": refused,
            "different outcomes": len(self.outcomes),
            "findings": self.found,
            "run (UTC)": evidence.now(),
            "commit": evidence.commit(),
        }


def page(path: Path) -> evidence.Page:
    """The page that tells of it."""
    return evidence.Page(
        path,
        "Fuzzing",
        "Mutations of small well-formed inputs and of the corpus in `tests/corpus`, each under a limit of 10 s of\n"
        "processor time, of 4 GiB and of growth of the process. A payload is put under checksums that are good; what\n"
        "is admitted of models and manifests is used; a CSV file is compared with a plain parser; a ROOT file is\n"
        "restored, or compressed and verified. Findings are whatever is neither right nor a typed error. Made by\n"
        "`make fuzz`.\n\n"
        f"{evidence.versions('numpy', 'uproot', 'onnx', 'onnxruntime', 'pcodec')}.",
        (
            "target",
            "minutes",
            "inputs",
            "valid",
            "refused",
            "different outcomes",
            "findings",
            "run (UTC)",
            "commit",
        ),
    )


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--target", choices=TARGETS, action="append", help="default: all, one after the other"
    )
    parser.add_argument("--minutes", type=float, default=1.0, help="for each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--keep", action="store_true", help="put what is new into the corpus of the repository"
    )
    parser.add_argument("--make-seeds", action="store_true", help="make the small files anew and stop")
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"), metavar="FOLDER")
    parser.add_argument("--evidence", type=Path, metavar="FILE", help="page to write what was found on")
    options = parser.parse_args()
    if options.make_seeds:
        make_seeds()
        return 0
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    failed = False
    for name in options.target or TARGETS:
        began = time.monotonic()
        run = Fuzzing(name, options.seed, options.findings)
        while time.monotonic() - began < 60 * options.minutes:
            run.try_one(run.mutated())
        row = run.row((time.monotonic() - began) / 60)
        failed |= run.found > 0
        print(", ".join(f"{word} {evidence.shown(value)}" for word, value in row.items()), flush=True)
        if options.keep:
            keep(name, sorted(run.kept.values(), key=len)[:MOST_KEPT])
        if options.evidence is not None:
            page(options.evidence).note([row])
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
