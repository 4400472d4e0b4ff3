"""Run all attacks and print a table of what each must get and what it got."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.attacks.attack import attempt
from tests.attacks.catalogue import ATTACKS


def main() -> int:
    """Exit code 0 if every attack came to nothing."""
    shown = Table(
        "attack", "must get", "got", "s", "MiB", title="what hostile models, files and texts come to"
    )
    for column in shown.columns:
        column.no_wrap = True
    shown.columns[3].justify = shown.columns[4].justify = "right"
    failed = 0
    for attack in ATTACKS:
        with tempfile.TemporaryDirectory(prefix="hepae-attack-") as folder:
            outcome = attempt(attack, Path(folder))
            got = outcome.got.replace(folder + "/", "")
        good = outcome.repelled and outcome.cheap
        failed += not good
        expected = attack.refusal.__name__ if attack.refusal else "no harm"
        shown.add_row(
            escape(attack.name),
            expected,
            f"[{'green' if good else 'red'}]{escape(got[:120])}[/]",
            f"{outcome.seconds:.2f}",
            f"{outcome.peak / 2**20:.1f}",
        )
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(shown)
    console.print(f"{len(ATTACKS)} attacks, {failed} not repelled")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
