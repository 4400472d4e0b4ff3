"""Risk: bytes from strangers that crash a reader. The corpus and every finding of `make fuzz`, replayed."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from hepae.errors import CorruptionError
from hepae.testing.mutations import mutated
from scripts.hardening import fuzz, fuzz_outcomes
from scripts.hardening.fuzz_targets import CORPUS, TARGETS, Target

HERE = Path(__file__).parent.parent


def inputs(name: str) -> list[bytes]:
    found = []
    with tarfile.open(CORPUS / "findings.tar.xz") as archive:
        for member in archive:
            data = archive.extractfile(member)
            if data is not None and member.name.startswith(name):
                found.append(data.read())
    return [*TARGETS[name].seeds(), *fuzz_outcomes.corpus_of(name), *found]


@pytest.mark.parametrize("name", TARGETS)
def test_every_input_of_the_corpus_comes_to_something_valid_or_a_typed_error(name: str) -> None:
    outcomes = [fuzz_outcomes.outcome(TARGETS[name], data) for data in inputs(name)]
    assert [details for _, details in outcomes if details] == []
    assert any("Error" in word for word, _ in outcomes)
    assert any("Error" not in word for word, _ in outcomes)


@pytest.mark.parametrize("name", TARGETS)
def test_mutations_change_something_and_are_the_same_again(name: str) -> None:
    target = TARGETS[name]
    data = target.seeds()[0]
    for mutation in target.mutations:
        made = [mutation(data, np.random.default_rng(seed)) for seed in range(8)]
        assert made == [mutation(data, np.random.default_rng(seed)) for seed in range(8)]
        assert set(made) != {data}


def test_a_crash_other_values_and_a_growing_process_are_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(data: bytes) -> str:
        raise KeyError(data)

    def refused(data: bytes) -> str:
        raise CorruptionError("a block of 7 bytes", got=len(data))

    def of(check: object) -> tuple[str, str]:
        return fuzz_outcomes.outcome(Target(list, check, ()), b"")  # type: ignore[arg-type]

    assert of(crash)[0].startswith("FINDING KeyError")
    assert of(lambda _: "fine") == ("fine", "")
    assert of(refused) == ("CorruptionError: a block of ", "")
    peaks = iter((0, fuzz_outcomes.GROWTH + 1, fuzz_outcomes.GROWTH + 1))
    monkeypatch.setattr(fuzz_outcomes, "peak", lambda: next(peaks))
    assert of(lambda _: "fine")[0].startswith("FINDING TooLargeError")


def test_the_same_seed_gives_the_same_input() -> None:
    for target in TARGETS.values():
        data = target.seeds()[0]
        made = [mutated(data, target.mutations, seed) for seed in range(20)]
        assert made == [mutated(data, target.mutations, seed) for seed in range(20)]
        assert len(set(made)) > 10


def test_a_tally_keeps_the_smallest_input_of_each_outcome_and_every_finding(tmp_path: Path) -> None:
    def check(data: bytes) -> str:
        if data == b"bad":
            raise KeyError(data)
        return "even" if len(data) % 2 == 0 else "odd"

    tally = fuzz_outcomes.Tally("csv", Target(list, check, ()), tmp_path / "findings")
    for data in (b"four", b"to", b"bad", b"three"):
        tally.count(data)
    assert tally.smallest() == [b"to", b"three"]
    assert tally.found == 1
    assert [path.read_bytes() for path in (tmp_path / "findings").iterdir()] == [b"bad"]
    assert {
        "target": "csv",
        "inputs": 4,
        "valid": 3,
        "refused": 0,
        "findings": 1,
    }.items() <= tally.row().items()


def test_the_command_line_knows_every_target() -> None:
    assert tuple(TARGETS) == fuzz.TARGETS


def test_a_process_that_fuzzes_imports_hepae_under_instruments() -> None:
    program = (
        "import sys, scripts.hardening.fuzz; sys.exit(any(name.startswith('hepae') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=HERE, check=False).returncode == 0
