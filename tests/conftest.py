"""What all tests share: where the samples are, and how hypothesis searches."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

HERE = Path(__file__).parent
SHARED = HERE.parent.parent / "shared" / "data"

# in CI the same examples each time, so that a red run is red again; elsewhere new ones
settings.register_profile(
    "hepae",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    max_examples=int(os.environ.get("HEPAE_EXAMPLES", "100")),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("hepae")


@pytest.fixture(scope="session")
def sample_root() -> Path:
    """The bundled ROOT sample: 2,400 events, ``Events`` with ``Jet_*`` and ``Muon_*``, a histogram, a string."""
    return HERE / "data" / "sample.root"


@pytest.fixture(scope="session")
def sample_csv() -> Path:
    """The bundled CSV sample: 300 events in the form of the DarkMachines challenge."""
    return HERE / "data" / "sample.csv"


@pytest.fixture(scope="session")
def constituents_root() -> Path:
    """The bundled fat jets: 600 entries of ``Jets``, half QCD, half tops, ``FatJet_*`` and ``Constituent_*``."""
    return HERE / "data" / "constituents.root"


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """Path of one of the larger data sets beside the checkout; the test is skipped where it is not there."""

    def path(name: str) -> Path:
        if not (SHARED / name).exists():
            pytest.skip(f"../shared/data/{name} is not there")
        return SHARED / name

    return path
