"""What the site has beside its pages: the page of the command line, and samples and programs to download.

A hook of MkDocs. The page is `cli.md`, what each parser says of itself; nothing of it is in the repository, so it
cannot be of another version. Pages link to files of the repository; on the site these are in the folder `files`, so
that nobody needs a checkout.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from hepae.cli import whole_parser

PAGE: Final = "cli.md"

START: Final = """# Command line

Every command and every option, as `hepae COMMAND --help` shows them. A shell completes words after
`eval "$(register-python-argcomplete hepae)"`.

| exit code | meaning |
|---|---|
| 0 | done, and every value is within its bound |
| 1 | a value is out of its bound, or a file of many failed |
| 2 | refused; a line on the standard error says what is wrong, where, and what to do |
| 128 and a number | ended by the signal of that number |

`bench`, `experiments`, `images`, `judge`, `plot`, `report` and `score` need the extra `lab`.
"""


def on_files(files: Any, config: Any, **_: Any) -> Any:
    """Called when MkDocs has listed the files of the documentation."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, PAGE, content=page()))
    for source in downloads():
        files.append(File.generated(config, f"files/{source.name}", abs_src_path=str(source)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called with the text of each page: links to files of the repository become links to those of the site."""
    return LINK.sub(r"](files/\1)", markdown)


HERE: Final = Path(__file__).parent.parent.parent
LINK: Final = re.compile(r"\]\(\.\./(?:tests/data|examples|native/examples)/([\w.]+)\)")
"""A link of a page in ``docs`` to a file that the site offers."""


def downloads() -> list[Path]:
    """Samples, example programs and macros."""
    folders = (HERE / "tests" / "data", HERE / "examples", HERE / "native" / "examples")
    return sorted(path for folder in folders for path in folder.iterdir() if path.suffix in DOWNLOADED)


DOWNLOADED: Final = (".root", ".csv", ".py", ".ipynb", ".C", ".cpp")


def page() -> str:
    """The whole page, in Markdown."""
    parts = [START, *_part(whole_parser(), skip=("commands",), level=0)]
    for parser in sorted(commands_of(whole_parser()), key=lambda one: _place(one.prog)):
        parts += [f"## {parser.prog}", *_part(parser, level=3)]
        for below in commands_of(parser):
            parts += [f"### {below.prog}", *_part(below, level=4)]
    return "\n\n".join(parts) + "\n"


COMMON: Final = ("inspect", "compress", "verify", "decompress", "report", "train", "skim", "merge", "repack")
"""Commands that a first hour needs, in its order; the others follow as the parser has them."""


def _place(prog: str) -> int:
    name = prog.rpartition(" ")[2]
    return COMMON.index(name) if name in COMMON else len(COMMON)


def commands_of(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """The parsers of the commands of a parser, in their order."""
    return [
        below
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for below in dict.fromkeys(action.choices.values())
    ]


def _part(parser: argparse.ArgumentParser, level: int, skip: tuple[str, ...] = ()) -> Iterator[str]:
    """What a parser says, each group of options a table."""
    if level:
        text = parser.description or ""
        yield f"{text[:1].upper()}{text[1:]}."
        yield f"```text\n{_usage(parser)}\n```"
    for group in parser._action_groups:
        rows = [_row(action) for action in group._group_actions if _is_told(action)]
        if rows and group.title not in skip:
            if group.title not in ("options", "positional arguments"):
                yield f"**{_upper(group.title or '')}**"
            yield "\n".join(["| word | meaning |", "|---|---|", *rows])
    if level and parser.epilog:
        yield f"```text\n{parser.epilog.removeprefix('example: ')}\n```"


def _is_told(action: argparse.Action) -> bool:
    return action.help is not argparse.SUPPRESS and not isinstance(
        action, argparse._SubParsersAction | argparse._HelpAction
    )


def _row(action: argparse.Action) -> str:
    """A row of the table: the words, and what they mean."""
    value = action.metavar or (
        "{" + ",".join(map(str, action.choices)) + "}" if action.choices else action.dest.upper()
    )
    value = " ".join(value) if isinstance(value, tuple) else value
    names = [f"{name} {value}" if action.nargs != 0 else name for name in action.option_strings] or [value]
    meaning = (action.help or "").replace("%%", "%")
    return f"| {', '.join(f'`{name}`' for name in names)} | {_escaped(meaning)} |"


def _escaped(text: str) -> str:
    return re.sub(r"([|<>*_])", r"\\\1", text)


def _upper(title: str) -> str:
    return title[:1].upper() + title[1:]


def _usage(parser: argparse.ArgumentParser) -> str:
    """The usage in 72 columns, whatever terminal the site is made in."""
    words = parser._get_formatter()
    words._width = 72
    words.add_usage(parser.usage, parser._actions, parser._mutually_exclusive_groups)
    return words.format_help().strip().removeprefix("usage: ")
