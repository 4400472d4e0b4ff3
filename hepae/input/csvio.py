"""DarkMachines CSV: one event a line, read in blocks of lines, whole columns at a time.

``event ID; process; weight; MET; METphi; obj,E,pt,eta,phi; …`` as in the data of the DarkMachines challenge
(Aarrestad et al., SciPost Phys. 12, 043 (2022), arXiv:2105.14027): ``obj`` is j (jet), b (b-jet), g (photon), e± or m±;
the unit is whatever the file has (MeV in the challenge) and stays as it is. Spaces around a field, CRLF, a byte order
mark, blank lines and any number of ``;`` at the end of a line are read over; everything else is either read exactly or
refused with line and column.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hepae import limits
from hepae.core.values.objects import Collection, Feature, Objects, concatenate
from hepae.errors import CollectionError, CsvError, InputError, nearest
from hepae.input.csvtext import Fields, fields_of, line_blocks

__all__ = ["CsvEvents", "read_csv"]


class _Letter(NamedTuple):
    collection: str
    charge: int | None


LETTERS: Final[Mapping[bytes, _Letter]] = {
    b"j": _Letter("Jet", None),
    b"b": _Letter("BJet", None),
    b"g": _Letter("Photon", None),
    b"e-": _Letter("Electron", -1),
    b"e+": _Letter("Electron", +1),
    b"m-": _Letter("Muon", -1),
    b"m+": _Letter("Muon", +1),
}
EVENT_COLUMNS: Final = ("event", "process", "weight", "MET", "METphi")
OBJECT_NUMBERS: Final = {
    "E": "energy, in the unit of the CSV file",
    "pt": "transverse momentum, in the unit of the CSV file",
    "eta": "pseudorapidity",
    "phi": "azimuth",
}

_LINE_FORM: Final = "event ID; process; weight; MET; METphi; obj,E,pt,eta,phi; …"
_CHARGES: Final = np.array([letter.charge or 0 for letter in LETTERS.values()], np.int8)


@dataclass(frozen=True)
class CsvEvents:
    """A CSV file that was read once from end to end: what is in it, and how to stream it.

    Attributes
    ----------
    path
        The file.
    n_events
        Lines with an event.
    n_objects
        Objects by collection. All five collections are always there, so that the files of a data set have the same
        branches whichever objects happen to occur in them.
    collections
        Jet, BJet, Photon, Electron, Muon: E, pt, eta, phi, and for the last two ``charge`` (int8).
    event_dtypes
        Dtype of each event column: ``event`` int64, ``process`` a string, ``weight``, ``MET``, ``METphi``.

    Notes
    -----
    A column is float32 if every number in it has at most six significant digits and lies among the normal float32
    numbers, because then the float32 determines the digits that were written (C11 5.2.4.2.2, ``FLT_DIG``). Otherwise
    it is float64. A quantity (``pt``) has the same dtype in all collections. The order of objects is kept inside each
    collection; how the collections were interleaved on the line is not.
    """

    path: Path
    n_events: int
    n_objects: Mapping[str, int]
    collections: Mapping[str, Collection]
    event_dtypes: Mapping[str, str]

    def iterate(self, collection: str, events_per_chunk: int = limits.EVENTS_PER_CHUNK) -> Iterator[Objects]:
        """Chunks of ``events_per_chunk`` events (the last one shorter) of one collection, in the order of the file.

        Raises
        ------
        CollectionError
            If there is no such collection.
        """
        self._known(collection)
        for chunk in self.iterate_all(events_per_chunk):
            yield chunk[collection]

    def iterate_all(self, events_per_chunk: int = limits.EVENTS_PER_CHUNK) -> Iterator[dict[str, Objects]]:
        """The same for all collections in one pass; the chunks of one step share their event columns."""
        limits.check("events per chunk", events_per_chunk, limits.MAX_EVENTS_PER_CHUNK, least=1)
        done = 0
        for lines in _regroup(self._runs(), events_per_chunk):
            done += lines.n_events
            yield _by_collection(lines, self._dtypes())
        if done != self.n_events:
            raise InputError("the file changed while it was read", where=self.path)

    def read(self, collection: str) -> Objects:
        """The whole collection at once.

        Raises
        ------
        CollectionError
            If there is no such collection.
        """
        return concatenate(self.iterate(collection))

    def _known(self, collection: str) -> None:
        if collection not in self.collections:
            raise CollectionError(
                f"no collection {collection!r}",
                where=self.path,
                expected=", ".join(self.collections),
                hint=nearest(collection, self.collections),
            )

    def _dtypes(self) -> dict[str, str]:
        objects = {f.name: f.dtype for c in self.collections.values() for f in c.features}
        return {**self.event_dtypes, **objects}

    def _runs(self) -> Iterator[Objects]:
        dtypes = self._dtypes()
        for lines, wide in _parsed(self.path):
            if any(dtypes[name] == "float32" for name in wide):
                raise InputError("the file changed while it was read", where=self.path)
            yield lines


def read_csv(path: str | os.PathLike[str]) -> CsvEvents:
    """Read a CSV file from end to end, check every character of it, and describe it.

    Memory stays bounded: the file is read in blocks of lines, here and in `CsvEvents.iterate`.

    Raises
    ------
    InputError
        If the file cannot be opened.
    CsvError
        If a line cannot be parsed exactly; the message has line and column.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "events.csv"
    >>> _ = path.write_text("354;monojet;2.4e-05;832841;-1.22431;j,258722,243675,0.328962,2.25014;")
    >>> events = read_csv(path)
    >>> events.n_events, events.n_objects["Jet"], events.read("Jet").columns["pt"].tolist()
    (1, 1, [243675.0])
    """
    path = Path(path)
    n_events, wide = 0, set[str]()
    per_letter = np.zeros(len(LETTERS), np.int64)
    for lines, not_short in _parsed(path):
        n_events += lines.n_events
        per_letter += np.bincount(lines.columns["letter"].astype(np.int64), minlength=len(LETTERS))
        wide |= not_short
    if not n_events:
        raise CsvError("no events", where=path, expected=_LINE_FORM, got="nothing but blank lines")
    dtype = {name: "float64" if name in wide else "float32" for name in (*EVENT_COLUMNS, *OBJECT_NUMBERS)}
    n_objects = dict.fromkeys((letter.collection for letter in LETTERS.values()), 0)
    for letter, count in zip(LETTERS.values(), per_letter.tolist(), strict=True):
        n_objects[letter.collection] += count
    return CsvEvents(
        path,
        n_events,
        n_objects,
        {name: _collection(name, dtype) for name in n_objects},
        {name: dtype[name] for name in EVENT_COLUMNS} | {"event": "int64", "process": "str"},
    )


def _collection(name: str, dtype: Mapping[str, str]) -> Collection:
    features = [
        Feature(number, f"{name}_{number}", dtype[number], title) for number, title in OBJECT_NUMBERS.items()
    ]
    if any(letter.collection == name and letter.charge for letter in LETTERS.values()):
        features.append(Feature("charge", f"{name}_charge", "int8", "electric charge"))
    return Collection(name, f"n{name}", tuple(features))


def _parsed(path: Path) -> Iterator[tuple[Objects, frozenset[str]]]:
    """Blocks of lines, and the names of their columns that need float64.

    A block is one jagged collection of all objects, in float64, with the column ``letter``: a place in `LETTERS`.
    """
    try:
        with path.open("rb") as file:
            for first_line, text in line_blocks(file, path):
                fields = fields_of(text, first_line, path)
                if len(fields.n_fields):
                    yield _lines(fields)
    except OSError as problem:
        raise InputError("cannot read the file", where=path, got=problem.strerror) from None


def _lines(fields: Fields) -> tuple[Objects, frozenset[str]]:
    counts = fields.n_fields - len(EVENT_COLUMNS)
    if (counts < 0).any():
        line = int(np.argmax(counts < 0))
        last = fields.first_field[line] + fields.n_fields[line] - 1
        raise fields.refusal(
            int(fields.first_token[last]),
            "a line with too few columns",
            expected=_LINE_FORM,
            got=f"only {fields.n_fields[line]}",
        )
    of_event = fields.first_field[:, None] + np.arange(len(EVENT_COLUMNS))
    of_object = np.delete(np.arange(len(fields.first_token)), of_event.ravel())
    fields.demand_tokens(of_event.ravel(), 1, "one value without commas")
    fields.demand_tokens(of_object, 1 + len(OBJECT_NUMBERS), "obj,E,pt,eta,phi")
    id_token, process_token, *number_tokens = fields.first_token[of_event].T
    letter_token = fields.first_token[of_object]
    wide = set[str]()

    def numbers(name: str, tokens: NDArray[np.int64]) -> NDArray[np.generic]:
        values, short = fields.numbers(tokens)
        if not short:
            wide.add(name)
        return values

    events: dict[str, NDArray[np.generic]] = {
        "event": fields.integers(id_token),
        "process": fields.strings(process_token, limits.MAX_NAME_LENGTH),
    }
    columns: dict[str, NDArray[np.generic]] = {"letter": _letters(fields, letter_token)}
    for name, tokens in zip(EVENT_COLUMNS[2:], number_tokens, strict=True):
        events[name] = numbers(name, tokens)
    for place, name in enumerate(OBJECT_NUMBERS, start=1):
        columns[name] = numbers(name, letter_token + place)
    return Objects(counts, columns, events), frozenset(wide)


def _letters(fields: Fields, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
    """Place in `LETTERS` of each object."""
    found = fields.written(tokens, limits.MAX_NAME_LENGTH)[:, None] == np.array(list(LETTERS))
    if not found.any(1).all():
        raise fields.refusal(
            int(tokens[np.argmin(found.any(1))]),
            "an unknown object",
            expected=b", ".join(LETTERS).decode(),
        )
    place: NDArray[np.int64] = found.argmax(1).astype(np.int64)
    return place


def _regroup(runs: Iterator[Objects], events_per_chunk: int) -> Iterator[Objects]:
    """The same events in chunks of equal length, the last one shorter."""
    held: list[Objects] = []
    n_held = 0
    for run in runs:
        first = 0
        while n_held + run.n_events - first >= events_per_chunk:
            stop = first + events_per_chunk - n_held
            yield concatenate([*held, run.slice(first, stop)])
            held, n_held, first = [], 0, stop
        held.append(run.slice(first, run.n_events))
        n_held += run.n_events - first
    if n_held:
        yield concatenate(held)


def _by_collection(lines: Objects, dtypes: Mapping[str, str]) -> dict[str, Objects]:
    """The objects of each collection, in the dtypes of the file."""
    events = {name: _cast(column, dtypes[name]) for name, column in lines.events.items()}
    columns = {
        name: _cast(column, dtypes[name]) for name, column in lines.columns.items() if name != "letter"
    }
    letter = lines.columns["letter"].astype(np.int64)
    event = np.repeat(np.arange(lines.n_events), lines.counts)
    chunks = {}
    for name in dict.fromkeys(kind.collection for kind in LETTERS.values()):
        places = [place for place, kind in enumerate(LETTERS.values()) if kind.collection == name]
        chosen = np.isin(letter, places)
        chunk = Objects(
            np.bincount(event[chosen], minlength=lines.n_events).astype(np.int64),
            {number: column[chosen] for number, column in columns.items()},
            events,
        )
        if _CHARGES[places].any():
            chunk.columns["charge"] = _CHARGES[letter[chosen]]
        chunks[name] = chunk
    return chunks


def _cast(column: NDArray[np.generic], dtype: str) -> NDArray[np.generic]:
    return column if dtype == "str" else column.astype(dtype)
