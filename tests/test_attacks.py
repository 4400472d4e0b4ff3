"""Risk: a model, a file or a text from a stranger that is believed. Each is refused at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from hepae.errors import InputError
from tests.attacks import files
from tests.attacks.attack import Attack, attempt
from tests.attacks.catalogue import ATTACKS


@pytest.fixture(scope="module", autouse=True)
def compressed() -> None:
    """The file that many attacks change, made before they are measured."""
    files.compressed()


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_repelled(attack: Attack, tmp_path: Path) -> None:
    outcome = attempt(attack, tmp_path)
    assert outcome.repelled, outcome.got
    assert outcome.cheap, (outcome.seconds, outcome.peak)


def test_names_of_attacks_differ() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)


def test_what_is_not_refused_is_seen(tmp_path: Path) -> None:
    def refused(_: Path) -> None:
        raise InputError("is empty")

    def untyped(_: Path) -> None:
        raise ValueError("is empty")

    assert attempt(Attack("", refused, InputError, "empty"), tmp_path).repelled
    assert not attempt(Attack("", refused, InputError, "full"), tmp_path).repelled
    assert not attempt(Attack("", refused, None), tmp_path).repelled
    assert not attempt(Attack("", untyped, InputError), tmp_path).repelled
    assert not attempt(Attack("", lambda _: None, InputError), tmp_path).repelled
    assert not attempt(Attack("", lambda _: bytearray(200 << 20), None), tmp_path).cheap
