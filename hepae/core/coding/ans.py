"""Tabled asymmetric numeral systems (tANS), many lanes at a time in plain NumPy.

A *table* gives each symbol an integer frequency; the frequencies of a table sum to ``2**PRECISION``. A feature has
several tables and a symbol is coded with the one that the model chose for it. All lanes advance together, so that a
chunk of 40,000 symbols is a few dozen steps of a dozen array operations, and each lane's state lives in
``[0, 2**PRECISION)``: bits, not words, are moved, so that a lane costs at most PRECISION bits however short it is.
Even those are not lost where the caller has raw bits to hide in the states that decoding ends with.

Source: J. Duda, *Asymmetric numeral systems*, arXiv:1311.2540; the table construction follows Finite State Entropy
(Y. Collet, RFC 8878 section 4.1), with one spread of positions for all tables.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Integers
from hepae.core.locks import computed_once
from hepae.errors import CorruptionError, ModelRejectedError

__all__ = [
    "PRECISION",
    "Decoder",
    "Tables",
    "bits_to_bytes",
    "encode",
    "read_bits",
    "require_bits",
    "write_bits",
]

PRECISION = 12
STATES = 1 << PRECISION
MAX_SYMBOLS = 1 << 10
SPREAD_STEP = (STATES >> 1) + (STATES >> 3) + 3

_MASKS = ((1 << np.arange(17, dtype=np.int64)) - 1).astype(np.int32)


class Tables:
    """Coding tables of one feature.

    Parameters
    ----------
    frequencies : int[n_tables, n_symbols]
        Not negative; each row sums to ``2**PRECISION``. A symbol of frequency 0 cannot be coded with that table.

    Raises
    ------
    ModelRejectedError
        If the frequencies are no such numbers.
    """

    def __init__(self, frequencies: NDArray[np.integer]) -> None:
        freq = np.ascontiguousarray(frequencies, dtype=np.int64)
        if freq.ndim != 2 or not freq.size or freq.shape[1] > MAX_SYMBOLS:
            raise ModelRejectedError("coding tables of a wrong shape", got=freq.shape)
        if freq.min() < 0 or np.any(freq.sum(1) != STATES):
            raise ModelRejectedError("coding tables that do not sum to one", expected=STATES)
        self.frequencies = freq.astype(np.int32)
        self.n_tables, self.n_symbols = freq.shape
        start = np.cumsum(freq, axis=1) - freq + STATES * np.arange(self.n_tables)[:, None]
        self._start = start.astype(np.int32)

    # each direction needs one of the two large arrays, which take most of the memory of a model

    @computed_once
    def slots(self) -> NDArray[np.int32]:
        """State after each visit of a symbol, symbol by symbol: for encoding."""
        return self._slots()

    @computed_once
    def entries(self) -> NDArray[np.int32]:
        """For each state symbol << 20 | bits to read << 16 | state that they are added to: for decoding."""
        first = (self._start - self.frequencies).ravel()
        visits = np.arange(self.n_tables * STATES) - np.repeat(first, self.frequencies.ravel())
        moved = PRECISION - _floor_log2(visits)
        entry = self._ordered().astype(np.int32) << 20 | moved << 16 | ((visits << moved) - STATES)
        entries = np.empty(self.n_tables * STATES, np.int32)
        entries[self._slots()] = entry
        return entries

    def _slots(self) -> NDArray[np.int32]:
        # symbols in order at positions in steps: neighbours in the sum end up far apart, which codes best
        position = (np.arange(STATES) * SPREAD_STEP) & (STATES - 1)
        symbol = np.empty((self.n_tables, STATES), np.int16)
        symbol[:, position] = self._ordered().reshape(self.n_tables, STATES)
        slots = np.argsort(symbol, axis=1, kind="stable")
        slots += STATES * np.arange(self.n_tables)[:, None]
        return slots.astype(np.int32).ravel()

    def _ordered(self) -> NDArray[np.int16]:
        symbols = np.tile(np.arange(self.n_symbols, dtype=np.int16), self.n_tables)
        return np.repeat(symbols, self.frequencies.ravel())

    def encode_steps(
        self, table: NDArray[np.integer], symbol: NDArray[np.integer]
    ) -> tuple[NDArray[np.int32], ...]:
        """Per symbol: what to add to a state to get (bits moved) << 16, and where its slots begin."""
        freq = self.frequencies[table, symbol]
        if np.any(freq == 0):
            raise ValueError("a symbol of frequency 0 cannot be coded")
        most = PRECISION - _floor_log2(np.maximum(freq - 1, 1))
        added = (most << 16) - (freq << most)
        return added.astype(np.int32), (self._start[table, symbol] - freq).astype(np.int32)


def _floor_log2(values: NDArray[np.integer]) -> Integers:
    # exact: frexp gives v = m * 2**e with 0.5 <= m < 1
    return np.frexp(values.astype(np.float64))[1].astype(np.int64) - 1


def write_bits(values: NDArray[np.integer], widths: NDArray[np.integer]) -> bytes:
    """Values of 0 to 48 bits each, one after the other, least significant bit first, padded to whole bytes.

    Examples
    --------
    >>> write_bits(np.array([1, 5]), np.array([1, 3])).hex()
    '0b'
    """
    width = widths.astype(np.int64)
    ends = np.cumsum(width)
    total = int(ends[-1]) if len(ends) else 0
    starts = ends - width
    n_bytes = (total + 7) // 8
    shifted = values.astype(np.uint64) << (starts & 7).astype(np.uint64)
    first = starts >> 3
    out = np.zeros(n_bytes + 8, np.float64)
    for k in range((int(width.max(initial=0)) + 14) // 8):
        part = (shifted >> np.uint64(8 * k)) & np.uint64(255)
        out += np.bincount(first + k, weights=part.astype(np.float64), minlength=n_bytes + 8)
    return out[:n_bytes].astype(np.uint8).tobytes()


def bits_to_bytes(bits: int) -> int:
    """Whole bytes that hold so many bits."""
    return (bits + 7) // 8


def require_bits(data: bytes | memoryview, bits: int) -> None:
    """Refuse data of fewer bits than that."""
    if bits > 8 * len(data):
        raise CorruptionError("a bit stream ends too early", expected=f"{bits} bits", got=8 * len(data))


def read_bits(data: bytes | memoryview, widths: NDArray[np.integer], start: int = 0) -> Integers:
    """The values that `write_bits` wrote, from bit ``start`` on.

    Raises
    ------
    CorruptionError
        If the data ends too early.
    """
    width = widths.astype(np.int64)
    ends = start + np.cumsum(width)
    require_bits(data, int(ends[-1]) if len(ends) else start)
    raw = np.frombuffer(bytes(data) + bytes(8), np.uint8)
    starts = ends - width
    words = np.lib.stride_tricks.as_strided(raw, (len(raw) - 7, 8), (1, 1)).view("<u8")[:, 0]
    taken = words[starts >> 3] >> (starts & 7).astype(np.uint64)
    return np.asarray(taken & ((np.uint64(1) << width.astype(np.uint64)) - np.uint64(1)), np.int64)


def encode(
    tables: Tables,
    segments: Sequence[tuple[NDArray[np.integer], NDArray[np.integer]]],
    lanes: int,
    hidden: NDArray[np.integer] | None = None,
) -> bytes:
    """Code symbols so that `Decoder` returns them segment by segment.

    Parameters
    ----------
    tables
        Coding tables.
    segments
        (index of the table, symbol) of each symbol, in the pieces in which they will be decoded.
    lanes
        How many states advance side by side.
    hidden : int[lanes], optional
        Numbers below ``2**PRECISION`` that the states will have after decoding: raw bits stored at no cost.

    Returns
    -------
    bytes
        The initial state of each lane, then the bits that the lanes read, in the order of reading.

    Examples
    --------
    >>> tables = Tables(np.array([[4000, 90, 6]]))
    >>> symbols = np.array([0, 0, 2, 1])
    >>> decoder = Decoder(tables, encode(tables, [(np.zeros(4, int), symbols)], lanes=1), lanes=1)
    >>> decoder.take(np.zeros(4, int)).tolist()
    [0, 0, 2, 1]
    """
    state = np.zeros(lanes, np.int32) if hidden is None else hidden.astype(np.int32)
    pieces = [tables.encode_steps(table, symbol) for table, symbol in segments]
    values: list[NDArray[np.int32]] = []
    widths: list[NDArray[np.int32]] = []
    for added, first in reversed(pieces):
        for row in reversed(range(0, len(added), lanes)):
            step, slot = added[row : row + lanes], first[row : row + lanes]
            visit = state[: len(step)] + STATES
            width = (visit + step) >> 16
            values.append(visit & _MASKS.take(width))
            widths.append(width)
            state[: len(step)] = tables.slots.take(slot + (visit >> width)) & (STATES - 1)
    return write_bits(
        np.concatenate([state, *values[::-1]]),
        np.concatenate([np.full(lanes, PRECISION, np.int32), *widths[::-1]]),
    )


class Decoder:
    """Gives back, piece by piece, the symbols that `encode` coded.

    Parameters
    ----------
    tables, lanes
        As they were encoded.
    data
        What `encode` returned.
    """

    def __init__(self, tables: Tables, data: bytes | memoryview, lanes: int) -> None:
        self._entries = tables.entries
        self._n_tables = tables.n_tables
        self._bits = 8 * len(data)
        if not 1 <= lanes * PRECISION <= self._bits:
            raise CorruptionError("a coded stream is too short", expected=f"{lanes} states", got=len(data))
        self.states = read_bits(data, np.full(lanes, PRECISION)).astype(np.int32)
        self._data = np.frombuffer(bytes(data) + bytes(4), np.uint8)
        self._windows: NDArray[np.int32] | None = None
        self._position = lanes * PRECISION
        self._edges = np.empty(lanes + 1, np.int64)

    def take(self, table: NDArray[np.integer]) -> Integers:
        """The next symbols, coded with the tables of these indices.

        Raises
        ------
        CorruptionError
            If an index is out of range, or the stream ends too early.
        """
        if len(table) and not 0 <= table.min() <= table.max() < self._n_tables:
            raise CorruptionError(
                "no such coding table", expected=f"below {self._n_tables}", got=int(table.max())
            )
        if self._windows is None:
            self._windows = _windows(self._data)
        base = table.astype(np.int64) * STATES
        found = np.empty(len(table), np.int32)
        lanes, position = len(self.states), self._position
        for row in range(0, len(table), lanes):
            entry = found[row : row + lanes]
            state, edges = self.states[: len(entry)], self._edges[: len(entry) + 1]
            # mode="clip" skips a check that the construction of the tables makes needless, and `finish` makes up for
            self._entries.take(base[row : row + lanes] + state, out=entry, mode="clip")
            width = (entry >> 16) & 15
            edges[0] = position
            np.cumsum(width, out=edges[1:])
            edges[1:] += position
            position = int(edges[-1])
            read = self._windows.take(edges[:-1], mode="clip") & _MASKS.take(width)
            np.add(entry & 0xFFFF, read, out=state)
        self._position = position
        self._require_bits()
        return (found >> 20).astype(np.int64)

    def _require_bits(self) -> None:
        if self._position > self._bits:
            raise CorruptionError(
                "a coded stream ends too early", expected=f"{self._position} bits", got=self._bits
            )

    def finish(self) -> Integers:
        """The states after the last symbol; checks that every bit was read.

        Raises
        ------
        CorruptionError
            If bits are left over.
        """
        if bits_to_bytes(self._position) != self._bits // 8:
            raise CorruptionError(
                "a coded stream is too long", expected=f"{self._position} bits", got=self._bits
            )
        return self.states.astype(np.int64)


def _windows(data: NDArray[np.uint8]) -> NDArray[np.int32]:
    """The 16 bits that begin at each bit of the data, which end with four bytes more."""
    raw = data.astype(np.int32)
    bytes3 = raw[:-2] | raw[1:-1] << 8 | raw[2:] << 16
    return ((bytes3[:, None] >> np.arange(8, dtype=np.int32)) & 0xFFFF).ravel()
