"""Risk: C++ without ROOT gives other values than Python, or takes bytes that are no chunk."""

from __future__ import annotations

import subprocess
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

import hepae
from hepae.root.headers import include_folder
from tests.native_build import COMPILER, STRICT, needs_compiler, program

pytestmark = [pytest.mark.native, needs_compiler]
HERE = Path(__file__).parent
COLUMNS = ("Jet_pt", "Jet_muonIdx", "Muon_tightId", "MET")


@pytest.fixture(scope="module")
def dumped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a compressed file, and its schema and chunk as the example wants them; and the example."""
    folder = tmp_path_factory.mktemp("file")
    hepae.compress(HERE / "data" / "ntuple.root", folder / "small.root")
    dump(folder / "small.root", folder)
    example(folder)
    return folder


def dump(path: Path, folder: Path) -> None:
    """Write the schema and the first chunk of a compressed file as the example wants them."""
    with uproot.open(path) as file:
        rows, schemas = file["Events__hepae"], file["hepae_schemas"]
        size = int(schemas["schema"].array()[0])
        (folder / "schema").write_bytes(bytes(schemas["data"].array(library="np")[0][-size:]))
        row = {name: rows[name].array(library="np")[0] for name in ("entries", "chunk", "sizes", "payload")}
    head = np.array([row["entries"], row["chunk"], len(row["sizes"]), *row["sizes"]], "<u4")
    (folder / "chunk").write_bytes(head.tobytes() + row["payload"].tobytes())


def example(folder: Path) -> Path:
    """The example, compiled into a folder."""
    source = HERE.parent / "native" / "examples" / "columns.cpp"
    command = [
        str(COMPILER),
        *STRICT,
        "-O1",
        f"-I{include_folder()}",
        str(source),
        "-o",
        str(folder / "columns"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return folder / "columns"


def columns(folder: Path, chunk: Path, *names: str) -> subprocess.CompletedProcess[str]:
    command = [str(folder / "columns"), str(folder / "schema"), str(chunk), *names]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_columns_are_those_of_python(dumped: Path) -> None:
    done = columns(dumped, dumped / "chunk", *COLUMNS)
    assert done.returncode == 0, done.stderr
    with hepae.open(dumped / "small.root") as file:
        for line, name in zip(done.stdout.splitlines(), COLUMNS, strict=True):
            values = np.asarray(ak.flatten(file["Events"][name].array(), axis=None), np.float64)
            found, size, total = line.split()
            assert (found, int(size)) == (name, len(values))
            assert float(total) == sum(values.tolist())


def test_what_is_no_chunk_is_refused(dumped: Path, tmp_path: Path) -> None:
    whole = (dumped / "chunk").read_bytes()
    assert columns(dumped, dumped / "chunk", "no_such").returncode == 1
    for name, data in {"short": whole[:-1], "head": whole[:8]}.items():
        (tmp_path / name).write_bytes(data)
        done = columns(dumped, tmp_path / name, *COLUMNS)
        assert done.returncode == 1
        assert done.stderr


def names(data: bytes, schema: int, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "row").write_bytes(data)
    command = [str(program("schema_row")), str(folder / "row"), str(schema)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_row_that_refers_to_a_model_is_read_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, small = HERE / "data" / "ntuple.root", tmp_path / "small.root"
    model = hepae.train_dataset([source])
    hepae.compress(source, small, model=model, embed=False)
    with uproot.open(small) as file:
        row = bytes(file["hepae_schemas"]["data"].array(library="np")[0])
        assert int(file["hepae_schemas"]["schema"].array()[0]) == 0
    refused = names(row, 0, tmp_path)
    assert refused.returncode == 1
    assert model.sha256 in refused.stderr
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "broken.onnx").write_bytes(model.data[:-1])
    model.save(tmp_path / "models" / "nano.onnx")
    monkeypatch.setenv("HEPAE_MODEL_PATH", str(tmp_path / "models"))
    found = names(row, 0, tmp_path)
    (schema,) = (one for one in model.known.trees if one.tree == "Events")
    expected = [column.name for column in schema.schema.columns]
    assert found.stdout.splitlines() == expected, found.stderr
    for damaged in (row[:20], row[:-1], row[:32], row + b"\0", row[:40] + b"\xff" * 9 + row[49:]):
        assert names(damaged, 0, tmp_path).returncode == 1
