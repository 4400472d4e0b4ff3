"""Fuzz what takes bytes from strangers: each input comes to something valid or to a typed error, soon and in memory.

    python -m scripts.hardening.fuzz --target payload --minutes 10 --evidence docs/evidence/fuzz.md

atheris (libFuzzer) chooses the inputs by the code of hepae that they reach, and the mutations of the targets, which
know JSON, ONNX and CSV, change them. Each target runs in a process of its own, which begins with the seeds and the
corpus of the repository; with ``--keep`` the smallest input of every outcome goes into that corpus, which a test
replays. Anything else than a word or a `HepaeError` is a finding: it is printed, left in ``--findings`` and makes the
exit code 1.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# nothing of hepae: a process that fuzzes imports it under the instruments of atheris
from scripts.hardening import evidence

TARGETS = ("payload", "manifest", "model", "csv", "root", "whole")
MEMORY = 4 << 30
HANGS = 60
"""Seconds of one input after which libFuzzer ends the run, where the limit of `fuzz_files` did not: compiled code."""

PAGE = """\
Inputs that atheris chooses by the code they reach, made from small well-formed ones and from the corpus in
`tests/corpus` by mutations that know the format, each under a limit of 10 s of processor time, of 4 GiB and of
growth of the process. A payload is put under checksums that are good; what is admitted of models and manifests is
used; a CSV file is compared with a plain parser; a ROOT file is restored, or compressed and verified; baskets are
made of streams and schemas of whole files, under checksums that are good. Findings are whatever is neither right nor
a typed error. Made by `make fuzz`."""
COLUMNS = (
    "target", "minutes", "inputs", "valid", "refused", "different outcomes", "findings",
)  # fmt: skip
SOURCES = (
    *("hepae/core", "hepae/input", "hepae/model", "hepae/root", "hepae/stored", "hepae/read", "hepae/files"),
    *(
        "hepae/testing/mutations.py",
        "scripts/hardening/fuzz_targets.py",
        "scripts/hardening/fuzz_outcomes.py",
    ),
)
PACKAGES = ("atheris", "numpy", "uproot", "onnx", "onnxruntime", "pcodec")


def run(name: str, options: argparse.Namespace, note: Path) -> None:
    """Fuzz one target until its time is over, write what came of it, and end the process: libFuzzer never returns."""
    import atheris

    with atheris.instrument_imports(include=["hepae"]):
        from hepae.testing.mutations import mutated
        from scripts.hardening import fuzz_targets
        from scripts.hardening.fuzz_outcomes import Tally, corpus_of, keep

    target = fuzz_targets.TARGETS[name]
    tally = Tally(name, target, options.findings)

    def check(data: bytes) -> None:
        tally.count(data)
        if tally.minutes >= options.minutes:
            note.write_text(json.dumps(tally.row()), encoding="utf-8")
            if options.keep:
                keep(name, tally.smallest())
            sys.stdout.flush()
            os._exit(0)

    def change(data: bytes, _most: int, seed: int) -> bytes:
        return mutated(data, target.mutations, seed)

    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    with tempfile.TemporaryDirectory(prefix="hepae-fuzz-corpus-") as folder:
        for data in (*target.seeds(), *corpus_of(name)):
            (Path(folder) / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
        atheris.Setup([sys.argv[0], *_flags(options), folder], check, custom_mutator=change)
        atheris.Fuzz()


def _flags(options: argparse.Namespace) -> list[str]:
    return [
        f"-seed={options.seed}",
        f"-timeout={HANGS}",
        f"-rss_limit_mb={MEMORY >> 20}",
        f"-max_len={1 << 20}",
        f"-artifact_prefix={options.findings}/",
        "-verbosity=0",
        "-print_final_stats=0",
    ]


def in_process(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Fuzz one target in a process of its own; one that ends before its time is a finding."""
    with tempfile.TemporaryDirectory(prefix="hepae-fuzz-") as folder:
        note = Path(folder) / "row.json"
        words = [
            sys.executable,
            "-m",
            "scripts.hardening.fuzz",
            *sys.argv[1:],
            "--run",
            name,
            "--note",
            str(note),
        ]
        code = subprocess.run(words, check=False).returncode
        if note.exists():
            row: dict[str, Any] = json.loads(note.read_text(encoding="utf-8"))
            return row
    print(f"{name}: the process ended with {code} before its time; see {options.findings}", flush=True)
    return {**dict.fromkeys(COLUMNS, ""), "target": name, "findings": 1}


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line says."""
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
    parser.add_argument("--evidence", type=Path, metavar="FILE", help="page to write what came of it on")
    parser.add_argument("--run", choices=TARGETS, help=argparse.SUPPRESS)
    parser.add_argument("--note", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(words)


def main() -> int:
    """Run from the command line."""
    options = arguments()
    options.findings.mkdir(exist_ok=True)
    if options.run is not None:
        run(options.run, options, options.note)
    if options.make_seeds:
        from scripts.hardening.fuzz_targets import make_seeds

        make_seeds()
        return 0
    failed = False
    for name in options.target or TARGETS:
        row = in_process(name, options)
        failed |= row["findings"] > 0
        print(", ".join(f"{word} {evidence.shown(value)}" for word, value in row.items()), flush=True)
        if options.evidence is not None:
            evidence.Page(options.evidence, "Fuzzing", PAGE, COLUMNS, SOURCES, PACKAGES).note([row])
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
