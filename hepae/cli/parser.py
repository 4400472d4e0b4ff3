"""What the command line understands."""

from __future__ import annotations

import argparse
import functools
import os
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import entry_points
from typing import Any

from hepae.cli.arguments import Add
from hepae.errors import nearest
from hepae.root.headers import include_folder
from hepae.version import __version__

__all__ = ["PLUGINS", "completed", "parser"]

PLUGINS = "hepae.commands"
"""The group of entry points that add commands: each is named for its command and is a function of what adds one."""


def parser(own: Iterable[Callable[[Add], None]], words: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The parser of the whole command line.

    Parameters
    ----------
    own
        What adds the commands of hepae itself.
    words
        The command line. Where the first word is a command of a plug-in or of hepae itself, other plug-ins are not
        loaded.
    """
    top = CommandParser(
        prog="hepae",
        description="Make ROOT files smaller, every value within its bound.",
        epilog="example: hepae inspect events.root; hepae compress events.root small.root",
    )
    top.add_argument("--version", action="version", version=f"hepae {__version__}")
    top.add_argument(
        "--include",
        action="version",
        version=str(include_folder()),
        help="print the folder of the C++ headers and exit",
    )
    top.set_defaults(run=functools.partial(_help, top), quiet=False)
    parts = top.add_subparsers(title="commands", metavar="COMMAND")
    add = functools.partial(_command, parts)
    for add_commands in own:
        add_commands(add)
    known = set(parts.choices)
    plugins = {
        plugin.name: plugin for plugin in sorted(entry_points(group=PLUGINS)) if plugin.name not in known
    }
    wanted = words[0] if words else ""
    for name in [] if wanted in known else [wanted] if wanted in plugins else plugins:
        plugins[name].load()(add)
    return top


def completed(top: argparse.ArgumentParser) -> None:
    """Answer a shell that asks what may come next, and leave; do nothing where none asks (argcomplete)."""
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        argcomplete.autocomplete(top)


def _help(top: argparse.ArgumentParser, _: argparse.Namespace) -> int:
    top.print_help()
    return 0


def _command(
    parts: argparse._SubParsersAction[CommandParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    text: str,
    example: str,
) -> argparse.ArgumentParser:
    part = parts.add_parser(
        name,
        help=text,
        description=text,
        epilog=f"example: {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    part.register("action", None, Once)
    part.register("action", "store", Once)
    part.set_defaults(run=run, command=part)
    said = part.add_mutually_exclusive_group()
    said.add_argument("--json", action="store_true", help="print the result as JSON")
    said.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")
    return part


class CommandParser(argparse.ArgumentParser):
    """A parser whose refusals name the nearest word and show the usage of the command that was meant."""

    _mixing = False

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse words that no option takes, with the usage of the command."""
        said, left = self.parse_known_args(args, namespace)
        if left:
            meant: argparse.ArgumentParser = getattr(said, "command", self)
            known = meant._option_string_actions  # noqa: SLF001 - argparse has no other way to ask
            near = nearest(left[0].partition("=")[0], known) if left[0].startswith("-") else ""
            meant.error(f"unrecognized arguments: {' '.join(left)}" + (f"; {near}" if near else ""))
        return said

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Take names before and after options alike: ``inspect a.root --json 'Jet_*'``."""
        if self._subparsers is not None or self._mixing:
            return super().parse_known_args(args, namespace)
        self._mixing = True  # the next line comes back here for each of its two passes
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._mixing = False

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as problem:
            near = nearest(value, map(str, action.choices or ()))
            if near:
                raise argparse.ArgumentError(action, f"{value!r} is not known; {near}") from None
            raise problem from None


class Once(argparse.Action):
    """Store what an option says; said twice, the first would be forgotten, which is an error."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option: str | None = None,
    ) -> None:
        """Store the values of an option or of positional arguments."""
        said: set[str] = vars(namespace).setdefault("options_said", set())
        if option is not None and self.dest in said:
            raise argparse.ArgumentError(self, "given twice")
        said.add(self.dest)
        setattr(namespace, self.dest, values)
