"""Lines of text into tokens, and tokens into numbers: a block of lines at a time, exactly or not at all.

A *line* is made of *fields* that end with ``;``, a field of *tokens* that end with ``,``. Nothing here knows what the
columns mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from hepae import limits
from hepae.errors import CsvError

__all__ = ["Fields", "fields_of", "line_blocks"]

BLOCK_BYTES: Final = 1 << 20
TOKENS_AT_ONCE: Final = 1 << 16
MAX_NUMBER_CHARACTERS: Final = 64
SHORT_DIGITS: Final = 6
"""FLT_DIG of C: so many significant decimal digits survive a trip through float32."""

_COMMA, _SEMICOLON, _NEWLINE, _RETURN = b",;\n\r"
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

_SEPARATOR: Final = np.isin(np.arange(256), [_COMMA, _SEMICOLON, _NEWLINE])
_BLANK: Final = np.isin(np.arange(256), list(b" \t"))
_NOT_TEXT: Final = (np.arange(256) < 32) & ~np.isin(np.arange(256), list(b"\t\r\n"))

# A decimal number as an automaton: sign? (digits [. digits?] | . digits) ([eE] sign? digits)?
_CLASSES: Final = np.zeros(256, np.intp)
_CLASSES[list(b"0123456789")] = 1
_CLASSES[list(b"+-")] = 2
_CLASSES[ord(".")] = 3
_CLASSES[list(b"eE")] = 4
_CLASSES[0] = 5
# states: 0 start, 1 sign, 2 integer digits, 3 fraction, 4 point without digits, 5 e, 6 e and sign, 7 exponent, 8 none
_NEXT: Final = np.array(
    [  # other, digit, sign, point, e, end
        [8, 2, 1, 4, 8, 8],
        [8, 2, 8, 4, 8, 8],
        [8, 2, 8, 3, 5, 2],
        [8, 3, 8, 8, 5, 3],
        [8, 3, 8, 8, 8, 8],
        [8, 7, 6, 8, 8, 8],
        [8, 7, 8, 8, 8, 8],
        [8, 7, 8, 8, 8, 7],
        [8, 8, 8, 8, 8, 8],
    ],
    np.intp,
)
_MANTISSA_STATES: Final = (2, 3)
_WHOLE_STATES: Final = (2, 3, 7)
_WORDS: Final = np.array(
    [sign + word for sign in (b"", b"+", b"-") for word in (b"nan", b"inf", b"infinity")], np.bytes_
)
_FLOAT32: Final = np.finfo(np.float32)


def line_blocks(file: BinaryIO, path: Path) -> Iterator[tuple[int, bytes]]:
    """Number of the first line (from 1), and about `BLOCK_BYTES` of whole lines, each with its newline.

    Raises
    ------
    CsvError
        If a line is longer than a line may be.
    """
    line, held = 1, [file.read(len(_BYTE_ORDER_MARK)).removeprefix(_BYTE_ORDER_MARK)]
    while block := file.read(BLOCK_BYTES):
        cut = block.rfind(b"\n") + 1
        if cut:
            text = b"".join([*held, block[:cut]])
            yield line, text
            line, held = line + text.count(b"\n"), []
        held.append(block[cut:])
        if sum(map(len, held)) > limits.MAX_CSV_LINE_BYTES:
            raise CsvError(
                "a line is too long to be an event",
                where=f"{path}, line {line}",
                expected=f"at most {limits.MAX_CSV_LINE_BYTES} bytes",
                hint="is this a CSV file?",
            )
    if rest := b"".join(held):
        yield line, rest if rest.endswith(b"\n") else rest + b"\n"


@dataclass(frozen=True)
class Fields:
    """The fields of a block of lines. Blank lines and empty fields at the end of a line are gone.

    Attributes
    ----------
    text, first_line, path
        The block, the number of its first line and the file, to say where something is wrong.
    starts, stops : int64[n_tokens]
        Where each token is in the text, blanks around it left out.
    first_token, n_tokens : int64[n_fields]
        First token of each field and how many it has.
    first_field, n_fields : int64[n_lines]
        First field of each line and how many it has.
    """

    text: bytes
    first_line: int
    path: Path
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    first_token: NDArray[np.int64]
    n_tokens: NDArray[np.int64]
    first_field: NDArray[np.int64]
    n_fields: NDArray[np.int64]

    def refusal(self, token: int, what: str, expected: object = None, got: object = None) -> CsvError:
        """The error that says what is wrong with a token and where it is."""
        start, stop = int(self.starts[token]), int(self.stops[token])
        shown = self.text[start : min(stop, start + 40)].decode("utf-8", "replace")
        return CsvError(
            what,
            where=_place(self.path, self.text, self.first_line, start),
            expected=expected,
            got=got or repr(shown),
        )

    def demand_tokens(self, fields: NDArray[np.int64], n_tokens: int, expected: str) -> None:
        """Refuse the first of these fields that has another number of tokens."""
        wrong = self.n_tokens[fields] != n_tokens
        if wrong.any():
            field = fields[int(np.argmax(wrong))]
            raise self.refusal(
                int(self.first_token[field]),
                "a field with too many or too few values",
                expected=expected,
                got=f"{self.n_tokens[field]} values",
            )

    def characters(self, tokens: NDArray[np.int64], most: int) -> NDArray[np.uint8]:
        """Bytes of each token, zeros after its end: uint8[n, longest]. Tokens longer than ``most`` are refused."""
        lengths = self.stops[tokens] - self.starts[tokens]
        longest = int(lengths.max(initial=1))
        if longest > most:
            token = int(tokens[np.argmax(lengths)])
            raise self.refusal(token, "a value is too long", f"at most {most} characters")
        place = np.arange(max(longest, 1))
        at = np.minimum(self.starts[tokens][:, None] + place, len(self.text) - 1)
        block = np.frombuffer(self.text, np.uint8)
        return np.where(place < lengths[:, None], block[at], np.uint8(0))

    def written(self, tokens: NDArray[np.int64], most: int) -> NDArray[np.bytes_]:
        """Tokens byte for byte; there is no zero byte in them."""
        return _as_bytes(self.characters(tokens, most))

    def strings(self, tokens: NDArray[np.int64], most: int) -> NDArray[np.str_]:
        """Tokens as they are written (UTF-8)."""
        names, which = np.unique(self.written(tokens, most), return_inverse=True)
        decoded = []
        for index, name in enumerate(names.tolist()):
            try:
                decoded.append(name.decode())
            except UnicodeDecodeError:
                raise self.refusal(int(tokens[np.argmax(which == index)]), "a name is not UTF-8") from None
        return np.array(decoded, np.str_)[which] if decoded else np.zeros(0, np.str_)

    def integers(self, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """Tokens as int64; at most 18 digits."""
        text = self.characters(tokens, 19)
        digit = (text >= ord("0")) & (text <= ord("9"))
        sign = np.isin(text[:, 0], list(b"+-"))
        n_digits = digit.sum(1)
        good = (n_digits > 0) & (n_digits <= 18) & (n_digits + sign == (text != 0).sum(1))
        if not good.all():
            raise self.refusal(int(tokens[np.argmin(good)]), "not an integer", "at most 18 digits")
        return _as_bytes(text).astype(np.int64)

    def numbers(self, tokens: NDArray[np.int64]) -> tuple[NDArray[np.float64], bool]:
        """Tokens as the nearest float64, and whether float32 would keep all of their digits.

        Accepted are decimal numbers and nan, inf, infinity in any case and with any sign. A number beyond the
        range of float64 on either side is refused: it would not be what was written.
        """
        values = np.empty(len(tokens))
        short = True
        for first in range(0, len(tokens), TOKENS_AT_ONCE):
            part = slice(first, first + TOKENS_AT_ONCE)
            values[part], part_short = self._numbers(tokens[part])
            short &= part_short
        return values, short

    def _numbers(self, tokens: NDArray[np.int64]) -> tuple[NDArray[np.float64], bool]:
        text = self.characters(tokens, MAX_NUMBER_CHARACTERS)
        state, digits = _scan_decimals(text)
        decimal = np.isin(state, _WHOLE_STATES)
        written = _as_bytes(text)
        good = decimal.copy()
        good[~decimal] = np.isin(np.char.lower(written[~decimal]), _WORDS)
        if not good.all():
            raise self.refusal(int(tokens[np.argmin(good)]), "not a number")
        values = written.astype(np.float64)
        size = np.abs(values)
        lost = decimal & (np.isinf(values) | ((size == 0) & (digits > 0)))
        if lost.any():
            raise self.refusal(int(tokens[np.argmax(lost)]), "a number beyond the range of float64")
        fits = (digits <= SHORT_DIGITS) & (size >= _FLOAT32.smallest_normal) & (size <= _FLOAT32.max)
        return values, bool((fits | ~decimal | (digits == 0)).all())


def fields_of(text: bytes, first_line: int, path: Path) -> Fields:
    """Take a block of whole lines apart.

    Raises
    ------
    CsvError
        If there are control characters, or an empty field that is not at the end of its line.
    """
    block = np.frombuffer(text, np.uint8)
    strange = _NOT_TEXT[block]
    if strange.any():
        at = int(np.argmax(strange))
        raise CsvError(
            "not text",
            where=_place(path, text, first_line, at),
            got=f"byte 0x{text[at]:02x}",
            hint="is this a CSV file in UTF-8?",
        )
    ends = np.flatnonzero(_SEPARATOR[block])
    starts, stops = _trimmed(block, ends)
    ending = block[ends]
    last_token = np.flatnonzero(ending != _COMMA)
    first_token = np.concatenate([[0], last_token[:-1] + 1]).astype(np.int64)
    empty = (first_token == last_token) & (starts[last_token] == stops[last_token])
    last_field = np.flatnonzero(ending[last_token] == _NEWLINE)
    first_field = np.concatenate([[0], last_field[:-1] + 1]).astype(np.int64)
    ordinal = np.arange(len(first_token))
    # one past the last field of each line that has something in it
    stop_field = np.maximum.reduceat(np.where(empty, 0, ordinal + 1), first_field)
    kept = ordinal < np.repeat(stop_field, last_field + 1 - first_field)
    n_fields = np.maximum(stop_field - first_field, 0)
    n_fields = n_fields[n_fields > 0]
    fields = Fields(
        text,
        first_line,
        path,
        starts,
        stops,
        first_token[kept],
        (last_token - first_token + 1)[kept],
        np.cumsum(n_fields) - n_fields,
        n_fields,
    )
    if (kept & empty).any():
        token = int(first_token[np.argmax(kept & empty)])
        raise fields.refusal(token, "an empty field before the end of the line", got="nothing")
    return fields


def _trimmed(block: NDArray[np.uint8], ends: NDArray[np.intp]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Start and stop of the tokens that end at ``ends``, without blanks (and the CR of CRLF) around them."""
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64)
    stops = ends.astype(np.int64)
    blank = _BLANK[block]
    blank[:-1] |= (block[:-1] == _RETURN) & (block[1:] == _NEWLINE)
    if not blank.any():
        return starts, stops
    solid = np.flatnonzero(~blank)  # separators are solid, so each token has one at or after its start
    inner = solid[np.searchsorted(solid, starts)]
    before = np.searchsorted(solid, stops) - 1
    last = np.where(before >= 0, solid[before], -1)
    starts = np.minimum(inner, stops)
    return starts, np.maximum(last + 1, starts)


def _scan_decimals(text: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Final state of the automaton, and the significant digits of the mantissa (0 for zero)."""
    state = np.zeros(len(text), np.intp)
    seen = np.zeros(len(text), np.int64)
    digits = np.zeros(len(text), np.int64)
    classes = _CLASSES[text]
    for place in range(text.shape[1]):
        state = _NEXT[state, classes[:, place]]
        digit = (classes[:, place] == 1) & np.isin(state, _MANTISSA_STATES)
        nonzero = digit & (text[:, place] != ord("0"))
        seen += digit & ((seen > 0) | nonzero)
        digits = np.where(nonzero, seen, digits)
    return state, digits


def _as_bytes(text: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    return np.ndarray(len(text), np.dtype((np.bytes_, text.shape[1])), np.ascontiguousarray(text).data)


def _place(path: Path, text: bytes, first_line: int, at: int) -> str:
    line = first_line + text.count(b"\n", 0, at)
    column = at - text.rfind(b"\n", 0, at)
    return f"{path}, line {line}, column {column}"
