"""The oldest versions that the metadata allows, as a constraints file for pip.

    python -m scripts.floors > floors.txt
    python -m venv floors
    floors/bin/pip install -c floors.txt -e '.[cli,train,lab,testing]' 'pytest>=9' pytest-xdist
    floors/bin/python -m pytest -n auto

torch keeps the version of ``constraints.txt``, whose CPU build tests run with; extras of other projects' frameworks
(`hooks`, `root`) have no floors of their own to test beside the newest. CONTRIBUTING.md says when it was run last.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parent.parent
EXTRAS = ("cli", "train", "lab", "testing")
FLOOR = re.compile(r"^([A-Za-z0-9_.-]+)(?:\[[^]]*\])?>=([0-9.]+)$")


def floors(project: Path = PROJECT) -> list[str]:
    """Lines ``name==version``; torch as it is pinned for the tests."""
    metadata = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = metadata["optional-dependencies"]
    said = [*metadata["dependencies"], *(one for extra in EXTRAS for one in extras[extra])]
    oldest = {match[1]: match[2] for one in said if (match := FLOOR.match(one))}
    pinned = (project / "constraints.txt").read_text(encoding="utf-8").split()
    return [
        *(f"{name}=={version}" for name, version in oldest.items() if name != "torch"),
        *(line for line in pinned if line.startswith("torch==")),
    ]


if __name__ == "__main__":
    print("\n".join(floors()))
