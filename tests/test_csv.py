"""A CSV file is read exactly or refused with line and column: never half, never approximately."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hepae.errors import CollectionError, CsvError, HepaeError, InputError
from hepae.input import csvtext
from hepae.input.csvio import LETTERS, read_csv
from tests.csv_reader import assert_is, number, reference

HEAD = "354;monojet;2.44336e-05;832841;-1.22431;"
JET = "j,258722,243675,0.328962,2.25014;"


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def write(text: str | bytes) -> Path:
        path = tmp_path / "events.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def finite() -> st.SearchStrategy[str]:
    """Numbers as programs write them."""
    values = st.floats(allow_nan=False, allow_infinity=False)
    return st.one_of(
        values.map("{:.6g}".format).filter(lambda text: number_is_kept(text)),
        values.map(repr),
        st.integers(-(10**9), 10**9).map(str),
        st.sampled_from(
            ["0", "-0", "-0.0", "+1.", ".5", "1E5", "nan", "-inf", "+Infinity", "0e999", "5e-324"]
        ),
    )


def number_is_kept(text: str) -> bool:
    try:
        number(text)
    except ValueError:
        return False
    return True


@st.composite
def csv_files(draw: st.DrawFn) -> bytes:
    """Files of the format, in all the liberties it allows."""
    blank = st.sampled_from(["", "", "", " ", "\t ", "  "])
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    name = st.text(
        st.characters(exclude_categories=["C", "Z"], exclude_characters=";,"), min_size=1, max_size=9
    )
    lines = []
    for _ in range(draw(st.integers(1, 5))):
        fields = [
            str(draw(st.integers(-(10**18) + 1, 10**18 - 1))),
            draw(name),
            *draw(st.lists(finite(), min_size=3, max_size=3)),
        ]
        for letter in draw(st.lists(st.sampled_from([key.decode() for key in LETTERS]), max_size=4)):
            four = draw(st.lists(finite(), min_size=4, max_size=4))
            fields.append(",".join(draw(blank) + value + draw(blank) for value in (letter, *four)))
        line = ";".join(draw(blank) + field + draw(blank) for field in fields)
        lines.append(line + draw(st.sampled_from(["", ";", ";;", "; ; "])))
        lines += draw(st.lists(blank, max_size=1))
    text = newline.join(lines) + draw(st.sampled_from(["", newline]))
    return draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + text.encode()


@given(text=csv_files(), block=st.integers(1, 200))
def test_every_liberty_of_the_format_is_read_exactly(
    text: bytes, block: int, write: Callable[[bytes], Path]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csvtext, "BLOCK_BYTES", block)
        patch.setattr(csvtext, "TOKENS_AT_ONCE", 7)
        assert_is(read_csv(write(text)), text)


@given(data=st.data())
def test_a_damaged_file_is_read_as_it_stands_or_refused(
    data: st.DataObject, sample_csv: Path, write: Callable[[bytes], Path]
) -> None:
    text = bytearray(b"".join(sample_csv.read_bytes().splitlines(keepends=True)[:4]))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 3))] = data.draw(
            st.one_of(
                st.sampled_from(
                    [b";", b",", b"\n", b"\r", b"-", b"e", b".", b"nan", b"j,", b" ", b"9", b"_"]
                ),
                st.binary(max_size=2),
            )
        )
    path = write(bytes(text))
    try:
        reference(bytes(text))
    except ValueError:
        with pytest.raises(CsvError, match=r"line \d+, column \d+|no events"):
            read_csv(path)
    else:
        if bytes(text).strip():
            assert_is(read_csv(path), bytes(text))


@pytest.mark.parametrize(
    ("text", "what", "line", "column"),
    [
        (HEAD + "x,1,2,3,4;", "unknown object", 1, 41),
        (HEAD + "J,1,2,3,4;", "unknown object", 1, 41),
        (HEAD + "e,1,2,3,4;", "unknown object", 1, 41),
        (HEAD + JET + "j,1,2,3;", "too many or too few", 1, 74),
        (HEAD + JET + "\n" + HEAD + "j,1,2,3,4,5;", "too many or too few", 2, 41),
        (HEAD + "j,1,2,,4;", "not a number", 1, 47),
        (HEAD + "j,1,2,3,1_0;", "not a number", 1, 49),
        (HEAD + "j,1,2,0x3,4;", "not a number", 1, 47),
        (HEAD + "j,1,2,3e,4;", "not a number", 1, 47),
        (HEAD + "j,1,2,1e999,4;", "beyond the range", 1, 47),
        (HEAD + "j,1,2,1e-999,4;", "beyond the range", 1, 47),
        (HEAD + "j,1,2," + "1" * 99 + ",4;", "too long", 1, 47),
        (HEAD + "j,1,2,3,4\t5;", "not a number", 1, 49),
        (HEAD + ";" + JET, "empty field", 1, 41),
        ("354;monojet;2.4e-05;832841;", "too few columns", 1, 21),
        ("\n\n354;;2.4e-05;832841;1;", "empty field", 3, 5),
        ("3.5;monojet;2.4e-05;832841;1;", "not an integer", 1, 1),
        ("1234567890123456789;monojet;2.4e-05;832841;1;", "not an integer", 1, 1),
        ("1,2;monojet;2.4e-05;832841;1;", "too many or too few", 1, 1),
        ("event ID; process; weight; MET; METphi;", "not an integer|too long", 1, 1),
        (HEAD + JET.replace("j", "\0j"), "not text", 1, 41),
        (b"354;mono\xffjet;1;2;3;", "not UTF-8", 1, 5),
        ("354;" + "x" * 600 + ";1;2;3;", "too long", 1, 5),
    ],
)
def test_what_is_wrong_is_named_with_line_and_column(
    text: str | bytes, what: str, line: int, column: int, write: Callable[[str | bytes], Path]
) -> None:
    with pytest.raises(CsvError, match=what) as refused:
        read_csv(write(text))
    assert f"line {line}, column {column}]" in str(refused.value)


@pytest.mark.parametrize("text", [b"", b"\n \r\n\t\n", b"\xef\xbb\xbf"])
def test_a_file_without_events_is_refused(text: bytes, write: Callable[[bytes], Path]) -> None:
    with pytest.raises(CsvError, match="no events"):
        read_csv(write(text))


def test_other_files_are_refused(tmp_path: Path, sample_root: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.csv"):
        with pytest.raises(InputError, match="cannot read"):
            read_csv(path)
    for path in (sample_root, Path(__file__)):
        with pytest.raises(CsvError, match=r"line \d+, column \d+"):
            read_csv(path)


def test_a_file_without_newlines_is_given_up_in_time(
    write: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csvtext, "BLOCK_BYTES", 1 << 10)
    monkeypatch.setattr("hepae.limits.MAX_CSV_LINE_BYTES", 1 << 14)
    with pytest.raises(CsvError, match="too long"):
        read_csv(write(HEAD.encode() + JET.encode() * 10_000))


@pytest.mark.parametrize(
    ("written", "dtype"),
    [
        ("243675", "float32"),
        ("1.19715e+06", "float32"),
        ("100000000", "float32"),
        ("0.000123456", "float32"),
        ("-0.0", "float32"),
        ("inf", "float32"),
        ("3.40282e38", "float32"),
        ("3.40283e38", "float64"),
        ("1.17549e-38", "float64"),
        ("1.1755e-38", "float32"),
        ("2436751", "float64"),
        ("0.1000001", "float64"),
    ],
)
def test_a_column_is_float32_where_that_keeps_the_digits(
    written: str, dtype: str, write: Callable[[str], Path]
) -> None:
    csv = read_csv(write(HEAD + f"j,1,{written},3,4;b,1,2,3,4;"))
    assert {name: csv.collections[name].feature("pt").dtype for name in csv.collections} == dict.fromkeys(
        csv.collections, dtype
    )
    assert csv.collections["Jet"].feature("E").dtype == "float32"
    (value,) = csv.read("Jet").columns["pt"].tolist()
    digits = max(len(written.split("e")[0].strip("-0.").replace(".", "")), 1) if written[-1].isdigit() else 1
    assert float(f"{value:.{digits}g}") == float(written)
    assert np.signbit(value) == written.startswith("-")


@pytest.mark.parametrize("events_per_chunk", [1, 7, 100, 299, 300, 301])
@pytest.mark.parametrize("block", [2_000, 70_000])
def test_chunks_have_the_asked_length_and_keep_the_order(
    events_per_chunk: int, block: int, sample_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csvtext, "BLOCK_BYTES", block)
    csv = read_csv(sample_csv)
    chunks = list(csv.iterate("Jet", events_per_chunk))
    whole = csv.read("Jet")
    assert {chunk.n_events for chunk in chunks[:-1]} <= {events_per_chunk}
    assert sum(chunk.n_events for chunk in chunks) == csv.n_events == 300
    for name, column in whole.columns.items():
        np.testing.assert_array_equal(np.concatenate([chunk.columns[name] for chunk in chunks]), column)
    np.testing.assert_array_equal(
        np.concatenate([chunk.events["event"] for chunk in chunks]), whole.events["event"]
    )


def test_an_unknown_collection_is_refused_with_the_known_ones(sample_csv: Path) -> None:
    with pytest.raises(CollectionError, match=r"Jet, BJet, Photon, Electron, Muon; did you mean Jet"):
        read_csv(sample_csv).read("Jets")


def test_a_file_that_grows_between_the_passes_is_noticed(write: Callable[[str], Path]) -> None:
    csv = read_csv(write(HEAD + JET + "\n"))
    write((HEAD + JET + "\n") * 2)
    with pytest.raises(InputError, match="changed"):
        csv.read("Jet")
    write(HEAD + JET.replace("243675", "243675.25"))
    with pytest.raises(InputError, match="changed"):
        csv.read("Jet")


def test_errors_cross_process_borders(write: Callable[[str], Path]) -> None:
    with pytest.raises(HepaeError) as refused:
        read_csv(write("no"))
    cls, arguments = refused.value.__reduce__()[:2]
    assert str(cls(*arguments)) == str(refused.value)


@pytest.mark.shared
def test_the_monojet_file_of_the_challenge(shared: Callable[[str], Path]) -> None:
    path = shared("monojet_Zp2000.0_DM_50.0_chan3.csv")
    csv = read_csv(path)
    assert csv.n_events == 6399
    assert csv.n_objects == {"Jet": 22661, "BJet": 718, "Photon": 92, "Electron": 2, "Muon": 0}
    assert {feature.dtype for feature in csv.collections["Jet"].features} == {"float32"}
    assert_is(csv, path.read_bytes())
    # every digit of the file can be written again from what was read
    jets = csv.read("Jet")
    written = [
        f.split(",")[1:]
        for line in path.read_text().splitlines()
        for f in line.split(";")
        if f.startswith("j,")
    ]
    again = np.stack([np.char.mod("%.6g", jets.columns[name]) for name in ("E", "pt", "eta", "phi")], axis=1)
    assert again.tolist() == written


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_no_permission(write: Callable[[str], Path]) -> None:
    path = write(HEAD)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root reads everything")
    with pytest.raises(InputError, match="cannot read"):
        read_csv(path)
