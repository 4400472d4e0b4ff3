"""A plain parser of the CSV format, line by line, in words of its own: what `input.csvio` must read, or refuse."""

from __future__ import annotations

import re

import numpy as np

from hepae.input import csvtext
from hepae.input.csvio import LETTERS, CsvEvents

NUMBER = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|nan|inf|infinity)", re.IGNORECASE | re.ASCII)


def reference(
    text: bytes,
) -> tuple[list[tuple[int, str, float, float, float]], list[list[tuple[str, list[float]]]]]:
    """A plain parser, line by line; ValueError for what the format does not allow."""
    events, objects = [], []
    for line in text.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        fields = [field.strip(b" \t") for field in line.removesuffix(b"\r").split(b";")]
        while fields and not fields[-1]:
            fields.pop()
        if not fields:
            continue
        if b"" in fields or len(fields) < 5 or any(byte < 32 and byte not in b"\t\r" for byte in line):
            raise ValueError(line)
        event, process, *numbers = (field.decode() for field in fields[:5])
        if not re.fullmatch(r"[+-]?\d{1,18}", event, re.ASCII) or "," in process:
            raise ValueError(line)
        weight, met, angle = (number(text) for text in numbers)
        events.append((int(event), process, weight, met, angle))
        objects.append([an_object(field.decode()) for field in fields[5:]])
    return events, objects


def an_object(field: str) -> tuple[str, list[float]]:
    letter, *four = (value.strip(" \t") for value in field.split(","))
    if letter.encode() not in LETTERS or len(four) != 4:
        raise ValueError(field)
    return letter, [number(value) for value in four]


def number(text: str) -> float:
    if not NUMBER.fullmatch(text) or len(text) > csvtext.MAX_NUMBER_CHARACTERS:
        raise ValueError(text)
    value = float(text)
    if text.strip("+-")[0] not in "niNI" and (
        np.isinf(value) or (value == 0 and re.search("[1-9]", text.lower().split("e")[0]))
    ):
        raise ValueError(text)
    return value


def assert_is(csv: CsvEvents, text: bytes) -> None:
    """What was read is what the plain parser reads."""
    events, objects = reference(text)
    assert csv.n_events == len(events)
    for name, collection in csv.collections.items():
        run = csv.read(name)
        chosen = [
            [(kind, four) for kind, four in event if LETTERS[kind.encode()].collection == name]
            for event in objects
        ]
        assert run.counts.tolist() == [len(event) for event in chosen]
        assert csv.n_objects[name] == run.n_objects
        flat = [pair for event in chosen for pair in event]
        for place, feature in enumerate(("E", "pt", "eta", "phi")):
            dtype = collection.feature(feature).dtype
            assert run.columns[feature].dtype == dtype
            np.testing.assert_array_equal(
                run.columns[feature], np.array([four[place] for _, four in flat], dtype)
            )
        if name in ("Electron", "Muon"):
            assert run.columns["charge"].tolist() == [-1 if kind.endswith("-") else 1 for kind, _ in flat]
        for place, column in enumerate(("event", "process", "weight", "MET", "METphi")):
            written = np.array([event[place] for event in events])
            dtype = csv.event_dtypes[column]
            np.testing.assert_array_equal(
                run.events[column], written if dtype == "str" else written.astype(dtype)
            )
