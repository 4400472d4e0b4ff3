"""The command line: ``hepae COMMAND …``.

Exit codes: 0, the promise was kept; 1, a value is out of its bound, or a file of many failed; 2, refused, and a line on
the standard error says what is wrong, where, and what to do; 128 and the number of a signal that ended the command.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress

from hepae.cli.stopping import SHELL, exit_code, stoppable
from hepae.core.values.names import printable
from hepae.errors import BoundViolationError, DefectError, HepaeError
from hepae.extras import needed

__all__ = ["main", "whole_parser"]

VIOLATED, REFUSED, UNREAD = 1, 2, SHELL + signal.SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; whatever goes wrong becomes one line on the standard error."""
    try:
        with stoppable():
            return _run(arguments)
    except BoundViolationError as problem:
        return _say(f"promise not kept: {problem}", VIOLATED)
    except HepaeError as problem:
        return _say(str(problem), REFUSED)
    except BrokenPipeError:
        return _unread()
    except KeyboardInterrupt as problem:
        return _say("interrupted; nothing was written under the final name", exit_code(problem))
    except MemoryError:
        return _say("not enough memory", REFUSED)
    except OSError as problem:
        place = f" [{problem.filename}]" if problem.filename else ""
        return _say(f"the system refused: {problem.strerror or problem}{place}", REFUSED)
    except Exception as problem:  # noqa: BLE001 - whoever runs a command gets a line, whatever went wrong
        return _say(str(DefectError.of(problem)), REFUSED)


def _run(arguments: Sequence[str] | None) -> int:
    words = sys.argv[1:] if arguments is None else list(arguments)
    options = whole_parser(words).parse_args(words)
    try:
        with needed("this command"), _quietly() if options.quiet else nullcontext():
            code = int(options.run(options))
        sys.stdout.flush()
    except SystemExit:  # rich leaves with 1, which says something else here
        raise BrokenPipeError from None
    return code


def _quietly() -> AbstractContextManager[None]:
    from hepae.cli.progress import quietly

    return quietly()


def whole_parser(words: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The parser of all commands, those of plug-ins too; it needs rich, which reading and writing do without."""
    with needed("the command line"):
        from hepae.cli import commands, compressing, interop
        from hepae.cli.parser import completed, parser
    made = parser((compressing.add_commands, commands.add_commands, interop.add_commands), words)
    completed(made)
    return made


def _say(text: str, code: int) -> int:
    """One line on the standard error; names in it come from files."""
    with suppress(BrokenPipeError):
        print(f"hepae: {printable(text)}", file=sys.stderr)
    return code


def _unread() -> int:
    """Whoever read the output has gone: what is left of it is lost, without words."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return UNREAD
