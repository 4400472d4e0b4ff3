"""Risk: the decoder in C++ restores other values than Python, or values from damaged bytes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import uproot

import hepae
from hepae.core.values.nested import Nested
from hepae.stored.compressed import CompressedTree, compressed_of
from hepae.stored.payload import Row
from tests.native_build import needs_compiler, program
from tests.root_process import needs_root
from tests.whole_samples import write_nano, write_with_root

pytestmark = [pytest.mark.native, needs_compiler]
NTUPLE = Path(__file__).parent / "data" / "ntuple.root"


@contextmanager
def opened(path: Path, tree: str = "Events") -> Iterator[CompressedTree]:
    with uproot.open(path) as file:
        found = compressed_of(file[tree])
        assert found is not None
        yield found


def decoded(tree: CompressedTree, row: Row, folder: Path, change: int | None = None) -> bytes | str:
    """All columns of a chunk as the program writes them, or why it refuses; one byte is another where asked."""
    sizes = np.diff(row.edges).tolist()
    streams = tree.payload.fetch(row, range(len(sizes)))
    payload = bytearray(b"".join(streams[number] for number in range(len(sizes))))
    if change is not None:
        payload[change] ^= 0x55
    (folder / "schema").write_bytes(tree.stored[row.schema].to_json())
    (folder / "payload").write_bytes(payload)
    words = [
        folder / "schema",
        folder / "payload",
        row.stop - row.start,
        row.chunk,
        folder / "columns",
        *sizes,
    ]
    command = [program("decode_chunk"), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in (0, 1), (done.returncode, done.stderr)
    return done.stderr if done.returncode else (folder / "columns").read_bytes()


def written(columns: Mapping[int, Nested]) -> bytes:
    """Counts of levels and values of all columns, in their order."""
    out = []
    for number in sorted(columns):
        out += [level.astype("<i8").tobytes() for level in columns[number].levels]
        out.append(np.ascontiguousarray(columns[number].values).tobytes())
    return b"".join(out)


def require_same(path: Path, folder: Path) -> None:
    with opened(path) as tree:
        assert tree.payload.rows
        for row in tree.payload.rows:
            assert decoded(tree, row, folder) == written(tree.whole(row))


def test_all_columns_of_flat_events_have_the_same_bits(tmp_path: Path) -> None:
    hepae.compress(NTUPLE, tmp_path / "small.root")
    require_same(tmp_path / "small.root", tmp_path)


def test_columns_predicted_along_links_have_the_same_bits(tmp_path: Path) -> None:
    write_nano(tmp_path / "nano.root", 2000, 1)
    hepae.compress(tmp_path / "nano.root", tmp_path / "small.root")
    require_same(tmp_path / "small.root", tmp_path)


@needs_root
@pytest.mark.root
def test_nested_columns_and_strings_have_the_same_bits(tmp_path: Path) -> None:
    write_with_root(tmp_path / "events.root", 4000, 1)
    hepae.compress(tmp_path / "events.root", tmp_path / "small.root")
    require_same(tmp_path / "small.root", tmp_path)


def test_a_changed_byte_anywhere_is_refused(tmp_path: Path) -> None:
    hepae.compress(NTUPLE, tmp_path / "small.root")
    with opened(tmp_path / "small.root") as tree:
        row = tree.payload.rows[0]
        for place in np.linspace(0, int(row.edges[-1]) - 1, 20).astype(int).tolist():
            refused = decoded(tree, row, tmp_path, change=place)
            assert isinstance(refused, str)
            assert "a stream does not carry its checksum" in refused
