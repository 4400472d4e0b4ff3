"""Risk: the page of the command line misses a command or an option."""

from __future__ import annotations

import argparse

from hepae.cli import whole_parser
from scripts.site.commands import commands_of, page


def told(parser: argparse.ArgumentParser) -> set[str]:
    """Words that the help of a parser has."""
    return {
        word
        for action in parser._actions
        if action.help is not argparse.SUPPRESS and not isinstance(action, argparse._HelpAction)
        for word in action.option_strings
    }


def test_every_command_and_option_is_on_the_page() -> None:
    sections = {part.partition("\n")[0]: part for part in page().split("\n## ")}
    commands = commands_of(whole_parser())
    assert len(commands) > 12
    assert set(sections) - {"# Command line"} == {parser.prog for parser in commands}
    for parser in commands:
        for below in (parser, *commands_of(parser)):
            for word in told(below):
                assert f"`{word}" in sections[parser.prog], (below.prog, word)


def test_a_row_says_what_the_help_says() -> None:
    assert "`--keep PATTERNS` | leave these columns as plain branches" in page()
    assert "| `--out-dir DIR` | compress every input into this folder |" in page()


def test_patterns_in_the_help_are_not_taken_for_markup() -> None:
    (row,) = [line for line in page().splitlines() if line.startswith("| `--only PATTERNS` |")]
    assert "'Jet\\_\\*,run'" in row
