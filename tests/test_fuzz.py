"""Risk: bytes from strangers that crash a reader. The corpus and every finding of `make fuzz`, replayed."""

from __future__ import annotations

import tarfile

import numpy as np
import pytest

from hepae.errors import CorruptionError
from scripts.hardening import fuzz
from scripts.hardening.fuzz_targets import CORPUS, TARGETS, Target


def inputs(name: str) -> list[bytes]:
    found = []
    with tarfile.open(CORPUS / "findings.tar.xz") as archive:
        for member in archive:
            data = archive.extractfile(member)
            if data is not None and member.name.startswith(name):
                found.append(data.read())
    return [*TARGETS[name].seeds(), *fuzz.corpus_of(name), *found]


@pytest.mark.parametrize("name", TARGETS)
def test_every_input_of_the_corpus_comes_to_something_valid_or_a_typed_error(name: str) -> None:
    outcomes = [fuzz.outcome(TARGETS[name], data) for data in inputs(name)]
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
        return fuzz.outcome(Target(list, check, ()), b"")  # type: ignore[arg-type]

    assert of(crash)[0].startswith("FINDING KeyError")
    assert of(lambda _: "fine") == ("fine", "")
    assert of(refused) == ("CorruptionError: a block of ", "")
    peaks = iter((0, fuzz.GROWTH + 1, fuzz.GROWTH + 1))
    monkeypatch.setattr(fuzz, "peak", lambda: next(peaks))
    assert of(lambda _: "fine")[0].startswith("FINDING TooLargeError")
