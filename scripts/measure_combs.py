"""Compress jets without and with dither: bytes, and bins of histograms that differ by more than chance explains.

    python -m scripts.measure_combs ../shared/data/qcd_jets.root -o combs

The bounds are those of the README's table. The table is that of `docs/bounds.md`.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Iterator
from pathlib import Path

import hepae
from hepae.files.verify.result import ColumnCheck

BOUNDS = tomllib.loads((Path(__file__).parent / "grids" / "architectures.toml").read_text())["data"][
    "qcd_jets"
]["bounds"]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--codec", choices=("lifting", "masked"), default="lifting")
    parser.add_argument("--effort", default="fast")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the compressed files")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    plain, dithered = (checks(options, dither) for dither in (False, True))
    print("\n".join(table(plain, dithered)))


def checks(options: argparse.Namespace, dither: bool) -> dict[str, ColumnCheck]:
    """What `hepae verify` says of each compressed column."""
    target = options.output / f"{options.codec}{'_dither' * dither}.root"
    recipe = hepae.Recipe(codec=options.codec, effort=options.effort, dither=dither)
    hepae.compress(options.file, target, collection="Jet", bounds=BOUNDS, recipe=recipe)
    result = hepae.verify(options.file, target)
    assert result.kept, result
    return {check.name: check for check in result.columns() if check.compressed}


def table(plain: dict[str, ColumnCheck], dithered: dict[str, ColumnCheck]) -> Iterator[str]:
    """Lines of Markdown: a row a column that is not exact, then all together."""
    yield "| branch | bound | bins of 50 | with dither | bins of 100 | with dither | bytes | with dither |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|"
    for name, check in plain.items():
        other = dithered[name]
        if check.bound != "exact":
            counts = check.combed_50, other.combed_50, check.combed_100, other.combed_100
            cells = f"`{check.bound}`", *map(str, counts), _bytes(check.bytes_after, other.bytes_after)
            yield f"| {name} | {' | '.join(cells)} |"
    before, after = (sum(check.bytes_after for check in checks.values()) for checks in (plain, dithered))
    yield f"| all columns | | | | | | {_bytes(before, after)} |"


def _bytes(before: int, after: int) -> str:
    return f"{before:,} | {after / before - 1:+.1%}"


if __name__ == "__main__":
    main()
