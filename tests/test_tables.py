"""All tables of a tree: plain blocks, bundles, and chunks as streams, without any file."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hepae.core.chunk import ChunkCodec
from hepae.core.features import FeatureSpec
from hepae.core.plain import codec
from hepae.core.plain.chunked import Plain
from hepae.core.tables.columns import ColumnInfo, ColumnSpec, TableSpec
from hepae.core.tables.schema import Bundle, Framed, PlainCodec, TreeSchema
from hepae.core.tables.streams import OpenTables, encode
from hepae.core.values.bounds import accept, parse
from hepae.core.values.lattice_fit import fit_lattice
from hepae.core.values.nested import Nested
from hepae.errors import CorruptionError
from hepae.learn.whole.tables import find_tables

DTYPES = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
FLOATS = ["float16", "float32", "float64"]
BOUND = parse("rel:1e-3")


@given(st.sampled_from(DTYPES + FLOATS), st.integers(0, 60), st.integers(0, 2**32 - 1), st.booleans())
def test_any_bits_come_back_from_every_method(dtype: str, n: int, seed: int, rounded: bool) -> None:
    raw = np.random.default_rng(seed).integers(0, 256, n * np.dtype(dtype).itemsize, np.uint8)
    values = raw % 2 == 1 if dtype == "bool" else raw.view(dtype)
    if rounded and dtype == "float32":
        values = (values.view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32)
    blocks = [codec.encode(values), codec.raw(values)]
    if n:
        blocks += [b for method in codec.METHODS if (b := codec._block(values, method)) is not None]
    for block in blocks:
        back = codec.decode(block, n, dtype)
        assert back.dtype == values.dtype
        assert back.tobytes() == values.tobytes()


def test_floats_with_short_mantissas_take_few_bytes() -> None:
    values = np.random.default_rng(1).normal(size=5000).astype(np.float32)
    short = (values.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    assert len(codec.encode(short)) < 0.55 * len(codec.encode(values))


@given(st.binary(max_size=40), st.integers(0, 50), st.sampled_from(DTYPES + FLOATS))
def test_damaged_blocks_are_refused_or_hold_what_they_should(data: bytes, n: int, dtype: str) -> None:
    try:
        values = codec.decode(data, n, dtype)
    except CorruptionError:
        return
    assert values.shape == (n,)
    assert values.dtype == np.dtype(dtype)


def tables(rng: np.random.Generator, entries: int) -> tuple[TreeSchema, dict[int, Nested], list[ChunkCodec]]:
    """A tree with a counter, a flag, jets with a bound, and numbers for each jet."""
    counts = rng.poisson(3, entries).astype(np.int64)
    jets = int(counts.sum())
    inner = rng.poisson(2, jets).astype(np.int64)
    pt = rng.exponential(30, jets).astype(np.float32)
    feature = FeatureSpec("pt", "pt", "float32", "", BOUND, fit_lattice(pt, BOUND))
    schema = TreeSchema(
        1,
        (TableSpec("", 0, 0), TableSpec("Jet", 0, 0), TableSpec("Jet_hits", 1, 5)),
        (
            ColumnSpec("nJet", "int32", (), 0),
            ColumnSpec("flag", "bool", (), 0),
            ColumnSpec("pt", "float32", (), 1),
            ColumnSpec("cov", "float32", (3,), 1),
            ColumnSpec("hits", "int16", (), 2),
            ColumnSpec("Jet_hits#2", "uint32", (), 1),
        ),
        (PlainCodec((2,), (feature,)),),
        (Bundle((0, 1)), Framed(0, 2), Bundle((3, 5)), Bundle((4,))),
    )
    schema.require_sense("test")
    columns = {
        0: Nested((), counts.astype(np.int32)),
        1: Nested((), rng.random(entries) < 0.1),
        2: Nested((counts,), pt),
        3: Nested((counts,), rng.normal(size=(jets, 3)).astype(np.float32)),
        4: Nested((counts, inner), rng.integers(0, 9, int(inner.sum())).astype(np.int16)),
    }
    return schema, columns, [ChunkCodec(Plain(), "plain", [feature], (), bytes(32))]


def opened(
    schema: TreeSchema, codecs: list[ChunkCodec], entries: int, chunk: int, streams: list[bytes]
) -> tuple[OpenTables, list[int]]:
    asked: list[int] = []

    def fetch(numbers: object) -> dict[int, bytes]:
        asked.extend(numbers)  # type: ignore[arg-type]
        return {number: streams[number] for number in numbers}  # type: ignore[attr-defined]

    return OpenTables(schema, lambda number: codecs[number], entries, chunk, fetch, "test"), asked


def same(one: Nested, other: Nested) -> bool:
    levels = len(one.levels) == len(other.levels) and all(map(np.array_equal, one.levels, other.levels))
    return (
        levels and one.values.dtype == other.values.dtype and one.values.tobytes() == other.values.tobytes()
    )


@pytest.mark.parametrize("entries", [0, 1, 300])
def test_tables_come_back_and_bounds_are_kept(entries: int) -> None:
    schema, columns, codecs = tables(np.random.default_rng(entries), entries)
    chunk, streams = encode(schema, codecs, columns, entries, 0)
    restored = opened(schema, codecs, entries, chunk, streams)[0].read(list(columns))
    for number in (0, 1, 3, 4):
        assert same(restored[number], columns[number])
    assert np.array_equal(restored[2].levels[0], columns[2].levels[0])
    assert accept(columns[2].values, restored[2].values, BOUND).all()


def test_a_column_is_read_without_the_streams_of_others() -> None:
    schema, columns, codecs = tables(np.random.default_rng(1), 100)
    chunk, streams = encode(schema, codecs, columns, 100, 0)
    reader, asked = opened(schema, codecs, 100, chunk, streams)
    reader.read([2])
    assert asked == [0, 1]
    reader.read([4])
    assert asked == [0, 1, 2, 3]


def test_columns_whose_counts_differ_in_a_chunk_store_their_own() -> None:
    schema, columns, codecs = tables(np.random.default_rng(1), 100)
    counts = columns[2].levels[0].copy()
    counts[7] += 1
    columns[2] = Nested((counts,), np.append(columns[2].values, np.float32(1.0)))
    shorter = columns[3].cut(0, 99)
    columns[3] = Nested((np.append(shorter.levels[0], 0),), shorter.values)
    chunk, streams = encode(schema, codecs, columns, 100, 0)
    restored = opened(schema, codecs, 100, chunk, streams)[0].read(list(columns))
    assert all(same(restored[number], columns[number]) for number in columns)


@pytest.mark.parametrize("number", range(4))
def test_a_changed_byte_or_a_stream_of_another_place_is_refused(number: int) -> None:
    schema, columns, codecs = tables(np.random.default_rng(1), 50)
    chunk, streams = encode(schema, codecs, columns, 50, 0)
    for place in range(0, len(streams[number]), max(len(streams[number]) // 40, 1)):
        damaged = list(streams)
        damaged[number] = (
            damaged[number][:place] + bytes([damaged[number][place] ^ 1]) + damaged[number][place + 1 :]
        )
        with pytest.raises(CorruptionError, match="checksum"):
            opened(schema, codecs, 50, chunk, damaged)[0].read(list(columns))
    swapped = list(streams)
    swapped[number] = streams[number - 1]
    with pytest.raises(CorruptionError, match="checksum"):
        opened(schema, codecs, 50, chunk, swapped)[0].read(list(columns))


def test_schemas_that_cannot_be_are_refused() -> None:
    schema, _, _ = tables(np.random.default_rng(1), 10)
    import msgspec

    for changed in (
        {"streams": schema.streams[:-1]},
        {"streams": (*schema.streams, Bundle((0,)))},
        {"tables": (*schema.tables, TableSpec("x", 3, 0))},
        {"tables": (schema.tables[0], TableSpec("Jet", 0, 2), schema.tables[2])},
        {"format": 2},
        {"codecs": (PlainCodec((0, 2), ()),)},
    ):
        with pytest.raises(CorruptionError):
            msgspec.structs.replace(schema, **changed).require_sense("test")


def test_tables_are_what_counts_alike_whatever_the_names() -> None:
    jets, muons = np.array([2, 0, 1]), np.array([1, 1, 1])
    inner = np.array([1, 0, 2])
    columns = [
        ColumnInfo("reco_n", "reco_n", "int32"),
        ColumnInfo("reco_pt", "reco_pt", "float32", depth=1, counter="reco_n"),
        ColumnInfo("eta", "eta", "float32", depth=1),
        ColumnInfo("reco_mu", "reco_mu", "float32", depth=1),
        ColumnInfo("hits", "hits", "int16", depth=2),
        ColumnInfo("tau_a", "tau_a", "float32", depth=1),
        ColumnInfo("ele_a", "ele_a", "float32", depth=1),
    ]
    none = np.zeros(3, np.int64)
    sample = {
        "reco_n": Nested((), jets.astype(np.int32)),
        "reco_pt": Nested((jets,), np.zeros(3, np.float32)),
        "eta": Nested((jets,), np.zeros(3, np.float32)),
        "reco_mu": Nested((muons,), np.zeros(3, np.float32)),
        "hits": Nested((jets, inner), np.zeros(3, np.int16)),
        "tau_a": Nested((none,), np.zeros(0, np.float32)),
        "ele_a": Nested((none,), np.zeros(0, np.float32)),
    }
    found = find_tables(columns, sample)
    table = {column.name: column.table for column in found.columns}
    assert table["reco_pt"] == table["eta"]
    assert len({table[name] for name in ("reco_pt", "reco_mu", "tau_a", "ele_a", "hits")}) == 5
    assert found.tables[table["hits"]].parent == table["eta"]
    assert found.columns[found.tables[table["reco_pt"]].counter].name == "reco_n"
    assert found.columns[found.tables[table["reco_mu"]].counter].name.endswith(f"#{table['reco_mu']}")
