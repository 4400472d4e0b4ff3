"""The command line: ``hepae COMMAND …``. Exit code 0 only when the promise was kept."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence

from hepae.errors import BoundViolationError, HepaeError

__all__ = ["main"]

KEPT, VIOLATED, REFUSED, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors raised on purpose become one line on the standard error."""
    from hepae.cli.parser import parser

    options = parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except BoundViolationError as problem:
        print(f"hepae: promise not kept: {problem}", file=sys.stderr)
        return VIOLATED
    except HepaeError as problem:
        print(f"hepae: {problem}", file=sys.stderr)
        return REFUSED
    except BrokenPipeError:
        return REFUSED
    except KeyboardInterrupt:
        print("hepae: interrupted; nothing was written under the final name", file=sys.stderr)
        return INTERRUPTED
    except Exception as problem:  # noqa: BLE001 - whoever runs a command gets a line, whatever went wrong
        place = traceback.extract_tb(problem.__traceback__)[-1]
        what = f"{type(problem).__name__}: {problem}".split("\n")[0]
        print(
            f"hepae: a defect of hepae, please report it: {what} [{place.filename}:{place.lineno}]",
            file=sys.stderr,
        )
        return REFUSED
