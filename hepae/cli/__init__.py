"""The command line: ``hepae COMMAND …``. Exit code 0 only when the promise was kept."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence

from hepae.core.values.names import printable
from hepae.errors import BoundViolationError, HepaeError
from hepae.extras import needed

__all__ = ["main"]

KEPT, VIOLATED, REFUSED, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors raised on purpose become one line on the standard error."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        with needed("the command line"):
            from hepae.cli.parser import parser
        options = parser(words).parse_args(words)
        with needed("this command"):
            return int(options.run(options))
    except BoundViolationError as problem:
        _say(f"promise not kept: {problem}")
        return VIOLATED
    except HepaeError as problem:
        _say(str(problem))
        return REFUSED
    except BrokenPipeError:
        return REFUSED
    except KeyboardInterrupt:
        _say("interrupted; nothing was written under the final name")
        return INTERRUPTED
    except Exception as problem:  # noqa: BLE001 - whoever runs a command gets a line, whatever went wrong
        place = traceback.extract_tb(problem.__traceback__)[-1]
        what = f"{type(problem).__name__}: {problem}".split("\n")[0]
        _say(f"a defect of hepae, please report it: {what} [{place.filename}:{place.lineno}]")
        return REFUSED


def _say(text: str) -> None:
    """One line on the standard error; names in it come from files."""
    print(f"hepae: {printable(text)}", file=sys.stderr)
