"""Risk: RDataFrame sees other values, names or types in a compressed file than in the original."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

import hepae
from hepae.cli import main
from hepae.root.headers import built, include_folder
from hepae.stored.compressed import compressed_of
from tests.native_build import needs_compiler
from tests.root_process import in_root, needs_root

NTUPLE = Path(__file__).parent / "data" / "ntuple.root"
SAMPLE = Path(__file__).parent / "data" / "sample.root"
ONNX = Path(__file__).parent.parent / "onnx" / "jets-wide.onnx"

READ = """
import hepae.rdataframe, numpy as np
original, small, kept, two, masked = paths

# of each type: ROOT compiles for seconds whatever it makes arrays of
SOME = ["Jet_pt", "Jet_muonIdx", "Muon_tightId", "HLT_PFJet40", "MET", "process"]

def rows(frame, columns=SOME):
    arrays = frame.AsNumpy(columns)
    return {str(key): [str(row) if isinstance(row, str) else np.asarray(row).tolist() for row in arrays[key]]
            for key in sorted(arrays, key=str)}

def types(frame):
    plain = {"Bool_t": "bool", "string": "std::string"}
    found = {}
    for name in map(str, frame.GetColumnNames()):
        inner = str(frame.GetColumnType(name))
        begin, end = ("ROOT::VecOps::RVec<", ">") if "RVec<" in inner else ("", "")
        inner = inner[len(begin):len(inner) - len(end)]
        found[name] = begin + str(ROOT.TClassEdit.ResolveTypedef(plain.get(inner, inner))) + end
    return found

def histogram(frame):
    mass = "sqrt(2 * Jet_pt[0] * Jet_pt[1] * (cosh(Jet_eta[0] - Jet_eta[1]) - cos(Jet_phi[0] - Jet_phi[1])))"
    made = frame.Filter("nJet > 1").Define("m", mass).Histo1D(("m", "", 100, 0.0, 1000.0), "m")
    return [made.GetBinContent(at) for at in range(102)]

plain = ROOT.RDataFrame("Events", original)
frame = hepae.rdataframe.open(small, tree="Events")
beside = hepae.rdataframe.open(kept, tree="Events")
result = {
    "original": rows(plain), "small": rows(frame), "kept": rows(beside),
    "types": [types(plain), types(frame), types(beside)],
    "range": rows(hepae.rdataframe.open(small, tree="Events", entry_start=5, entry_stop=-7), ["MET"]),
    "twice": [histogram(frame), histogram(frame)],
    "histogram": histogram(plain),
    "model": rows(hepae.rdataframe.open(masked, ["Jet_pt", "Jet_nConstituents", "MET"], tree="Events"),
                  ["Jet_pt", "Jet_nConstituents", "MET"]),
}
ROOT.EnableImplicitMT(2)
files = ROOT.std.vector["std::string"]([two])
many = ROOT.hepae.open_data_frame(files, "Events", 0, 1 << 62)
result["threads"] = histogram(many)
result["entries"] = int(many.Count().GetValue())
result["from Python"] = histogram(hepae.rdataframe.open(small, tree="Events"))
"""

NESTED = """
file, tree = ROOT.TFile(paths[0], "RECREATE"), ROOT.TTree("reco", "")
kinds = {"floats": "float", "integers": "int", "longs": "long long", "bytes": "char", "flags": "bool"}
vectors = {name: ROOT.std.vector[f"std::vector<{kind}>"]() for name, kind in kinds.items()}
texts = ROOT.std.vector["std::string"]()
for name, vector in {**vectors, "texts": texts}.items():
    tree.Branch(name, vector)
for entry in range(700):
    texts.clear()
    for vector in vectors.values():
        vector.clear()
    for row in range(entry % 4):
        texts.push_back("x" * (entry % 5) + str(row))
        for number, (name, kind) in enumerate(kinds.items()):
            made = ROOT.std.vector[kind]()
            for value in range((entry + row + number) % 3):
                one = (entry + value) % (2 if kind == "bool" else 100)
                made.push_back(chr(one) if kind == "char" else one)
            vectors[name].push_back(made)
    tree.Fill()
tree.Write()
file.Close()
result = []
"""

TOLD = """
template <class Row> std::string told_of_rows(const Row &row);
template <class Row> std::string told(const Row &row)
{
   if constexpr (std::is_arithmetic_v<Row>)
      return std::to_string(row);
   else
      return told_of_rows(row);
}

template <class Row> std::string told_of_rows(const Row &row)
{
   using One = std::decay_t<decltype(*row.begin())>;
   std::string out = "[";
   for (const auto &one : row) {
      if constexpr (std::is_arithmetic_v<One>)
         out += std::to_string(static_cast<double>(one));
      else if constexpr (std::is_same_v<One, std::string>)
         out += one;
      else
         out += told_of_rows(one);
      out += ",";
   }
   return out + "]";
}
"""

NESTED_READ = f"""
import hepae.rdataframe, re

ROOT.gInterpreter.Declare('''{TOLD}''')
ROOT.EnableImplicitMT(2)

def read(frame):
    found = {{}}
    there = set(map(str, frame.GetColumnNames()))
    for name in there:
        if "." in name and name.replace(".", "_") not in there:
            frame = frame.Alias(name.replace(".", "_"), name)
    for name in sorted({{name.replace(".", "_") for name in there}}):
        number = f"std::hash<std::string>{{{{}}}}(told({{name}})) % 1000003"
        kind = str(frame.GetColumnType(name)).replace("std::", "").replace("> >", ">>")
        begin, inner, end = re.fullmatch("(.*<|)([^<>]+)(>*)", kind).groups()
        kind = begin + str(ROOT.TClassEdit.ResolveTypedef(inner)) + end
        found[name] = [kind, frame.Define("number", number).Sum("number").GetValue()]
    return found

result = [read(ROOT.RDataFrame("reco", paths[0])), read(hepae.rdataframe.open(paths[1], tree="reco"))]
"""

REFERRED = """
import hepae.rdataframe
ROOT.EnableImplicitMT(2)  # what is not decoded in the event loop is refused then
result = {}
for name, path in zip(("whole", "model"), paths):
    try:
        frame = hepae.rdataframe.open(path, ["Jet_pt"], tree="Events")
        result[name] = frame.Define("s", "Sum(Jet_pt)").Sum("s").GetValue()
    except Exception as problem:
        result[name] = type(problem).__name__ + ": " + str(problem)
files = ROOT.std.vector["std::string"]([paths[1]])
try:
    ROOT.hepae.open_data_frame(files, "Events", 0, 1 << 62)
except Exception as problem:
    result["told"] = str(problem)
"""

NESTED_NTUPLE = """
ROOT.gInterpreter.Declare('''
#include <ROOT/RNTupleModel.hxx>
#include <ROOT/RNTupleWriter.hxx>
struct Hit { float x = 0; std::vector<std::int32_t> cells; };
void write_ntuple(const char *path)
{
   auto model = ROOT::RNTupleModel::Create();
   auto floats = model->MakeField<std::vector<std::vector<float>>>("floats");
   auto flags = model->MakeField<std::vector<std::vector<bool>>>("flags");
   auto bytes = model->MakeField<std::vector<char>>("bytes");
   auto texts = model->MakeField<std::vector<std::string>>("texts");
   auto array = model->MakeField<std::array<double, 3>>("array");
   auto hits = model->MakeField<std::vector<Hit>>("hits");
   auto writer = ROOT::RNTupleWriter::Recreate(std::move(model), "reco", path);
   for (int entry = 0; entry < 6000; ++entry) {
      floats->clear(), flags->clear(), bytes->clear(), texts->clear(), hits->clear();
      for (int row = 0; row < entry % 4; ++row) {
         floats->emplace_back((entry + row) % 3, 0.5f * (entry * 7919 % 1000));
         flags->push_back({entry % 2 == 0, row % 2 == 0});
         bytes->push_back(static_cast<char>(entry));
         texts->push_back(std::string(entry % 5, 'x') + std::to_string(row));
         hits->push_back({0.25f * (entry * 104729 % 2000), std::vector<std::int32_t>(row, entry)});
      }
      *array = {entry * 7919 % 1000 + 0.5, entry * 31 % 500 + 0.25, -entry * 1.0};
      writer->Fill();
   }
}
''')
ROOT.write_ntuple(paths[0])
result = []
"""

TWO_KEPT = """
import hepae.rdataframe
SUMS = ["Sum(hits.x)", "floats.size()", "Sum(bytes)", "array[1]"]

def sums(frame):
    if "hits_x" not in map(str, frame.GetColumnNames()):
        frame = frame.Alias("hits_x", "hits.x")
    made = [frame.Define("s", f"double({one.replace('.x', '_x')})").Sum("s") for one in SUMS]
    return [one.GetValue() for one in made]

hepae.rdataframe._require_data_source(ROOT)
single = sums(hepae.rdataframe.open(paths[1], tree="reco"))  # in one thread, and a column after another
ROOT.EnableImplicitMT(2)
files = ROOT.std.vector["std::string"](paths[1:])
twice = ROOT.hepae.open_data_frame(files, "reco", 0, 1 << 62)
result = [sums(ROOT.RDataFrame("reco", paths[0])), sums(twice), single]
"""

INTERPRETED = """
import hepae.rdataframe
result = []
for path in paths:
    frame = hepae.rdataframe.open(path, ["Jet_pt"], tree="Events")
    result.append(frame.Define("s", "Sum(ROOT::RVecD(Jet_pt))").Sum("s").GetValue())
"""

DAMAGED = """
import hepae.rdataframe
frame = hepae.rdataframe.open(paths[0], tree="Events")
result = {"MET": frame.Sum("MET").GetValue()}
try:
    frame.Define("one", "Jet_pt.size()").Sum("one").GetValue()
except Exception as problem:
    result["Jet_pt"] = str(problem)
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    hepae.compress(NTUPLE, folder / "small1.root")
    shutil.copy(folder / "small1.root", folder / "small2.root")
    assert (
        main(["compress", str(NTUPLE), str(folder / "kept.root"), "--skip", "MET,Muon_*,nMuon,process"]) == 0
    )
    words = ["--collection", "Jet", "--model", str(ONNX)]
    assert main(["compress", str(SAMPLE), str(folder / "masked.root"), *words]) == 0
    return folder


@pytest.fixture(scope="module")
def read(files: Path) -> Any:
    return in_root(
        READ, NTUPLE, files / "small1.root", files / "kept.root", files / "small*.root", files / "masked.root"
    )


@needs_root
@needs_compiler
@pytest.mark.root
@pytest.mark.native
class TestDataSource:
    def test_columns_have_the_values_of_the_original(self, read: Any) -> None:
        assert len(read["original"]) == 6
        for name in read["original"]:
            assert read["small"][name] == read["original"][name], name

    def test_branches_that_were_kept_are_beside_the_others(self, read: Any) -> None:
        for name in read["original"]:
            assert read["kept"][name] == read["original"][name], name

    def test_columns_of_a_model_are_decoded_in_the_event_loop(self, read: Any, files: Path) -> None:
        with hepae.open(files / "masked.root") as opened:
            for name, values in read["model"].items():
                assert values == opened["Events"][name].array(library="ak").to_list(), name

    def test_types_are_those_of_the_original(self, read: Any) -> None:
        original, small, kept = read["types"]
        assert small == original
        assert kept == original

    def test_vectors_in_vectors_and_texts_are_those_of_the_original(self, tmp_path: Path) -> None:
        source, small = tmp_path / "in.root", tmp_path / "small.root"
        in_root(NESTED, source)
        hepae.compress(source, small, only=["*"])
        original, compressed = in_root(NESTED_READ, source, small)
        assert len(original) == 6
        assert original["floats"][0] == "ROOT::VecOps::RVec<vector<float>>"
        assert all(number > 0 for _, number in original.values())
        assert compressed == original

    def test_rntuples_are_read_as_the_original(self, files: Path, tmp_path: Path) -> None:
        """Of collections, too, and of what projected fields show."""
        in_root(NESTED_NTUPLE, tmp_path / "reco.root")
        hepae.decompress(files / "small1.root", tmp_path / "Events.root", container="rntuple")
        for tree in ("reco", "Events"):
            original, compressed = tmp_path / f"{tree}.root", tmp_path / f"{tree}-small.root"
            hepae.compress(original, compressed, only=["*"])
            read = NESTED_READ.replace("reco", tree)
            before, after = in_root(read, original, compressed)
            assert len(before) == {"reco": 7, "Events": 33}[tree]
            assert after == before

    def test_fields_of_rntuples_that_were_kept_are_beside_the_others(
        self, files: Path, tmp_path: Path
    ) -> None:
        """Numbers, vectors of vectors, texts and members of collections, in threads and over two files."""
        in_root(NESTED_NTUPLE, tmp_path / "reco.root")
        hepae.decompress(files / "small1.root", tmp_path / "Events.root", container="rntuple")
        kept = {"reco": ["floats", "texts", "hits.*"], "Events": ["MET", "Jet_*", "process"]}
        for tree, skip in kept.items():
            original, compressed = tmp_path / f"{tree}.root", tmp_path / f"{tree}-small.root"
            hepae.compress(original, compressed, only=["*"], skip=skip)
            before, after = in_root(NESTED_READ.replace("reco", tree), original, compressed)
            assert after == before
        two = [shutil.copy(tmp_path / "reco-small.root", tmp_path / f"two{number}.root") for number in (1, 2)]
        once, twice, alone = in_root(TWO_KEPT, tmp_path / "reco.root", *two)
        assert once[0] > 0
        assert twice == [2 * total for total in once]
        assert alone == once

    def test_a_range_of_events(self, read: Any) -> None:
        assert read["range"]["MET"] == read["original"]["MET"][5:-7]

    def test_event_loops_can_be_run_again(self, read: Any) -> None:
        assert sum(read["histogram"]) > 100
        assert read["twice"] == [read["histogram"]] * 2

    def test_two_threads_over_several_files(self, read: Any) -> None:
        assert read["entries"] == 2 * len(read["original"]["MET"])
        assert read["threads"] == [2 * content for content in read["histogram"]]
        assert read["from Python"] == read["histogram"]

    def test_only_what_is_asked_for_is_read(self, files: Path, tmp_path: Path) -> None:
        """A column whose bytes are damaged is refused, others do not notice."""
        damaged = tmp_path / "damaged.root"
        shutil.copy(files / "small1.root", damaged)
        with uproot.open(damaged) as file:
            tree = compressed_of(file["Events"])
            assert tree is not None
            row = tree.payload.rows[0]
            schema = tree.stored[row.schema].schema
            stream = schema.stream_of[schema.numbers["Jet_pt"]]
            assert stream != schema.stream_of[schema.numbers["MET"]]
            place = tree.payload.tree.stored_entry("payload", 0)[0] + int(row.edges[stream]) + 10
        data = bytearray(damaged.read_bytes())
        data[place] ^= 1
        damaged.write_bytes(data)
        result = in_root(DAMAGED, damaged)
        with uproot.open(NTUPLE) as file:
            assert result["MET"] == pytest.approx(
                np.sum(file["Events"]["MET"].array(library="np"), dtype=float)
            )
        assert "a stream does not carry its checksum" in result["Jet_pt"]


@needs_root
@needs_compiler
@pytest.mark.root
@pytest.mark.native
def test_models_that_files_refer_to_are_found_in_folders(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, model, folder = tmp_path / "whole.root", tmp_path / "model.root", tmp_path / "models"
    folder.mkdir()
    dataset = folder / "dataset.onnx"
    assert main(["train", str(NTUPLE), "-o", str(dataset)]) == 0
    by_reference = ["--model-by-reference", "--model"]
    assert main(["compress", str(NTUPLE), str(whole), *by_reference, str(dataset)]) == 0
    assert main(["compress", str(SAMPLE), str(model), "--collection", "Jet", *by_reference, str(ONNX)]) == 0
    shutil.copy(ONNX, folder / "jets.onnx")
    monkeypatch.setenv("HEPAE_MODEL_PATH", f"{tmp_path / 'nothing'}:{folder}")
    found = in_root(REFERRED, whole, model)
    for name, path in (("whole", whole), ("model", model)):
        with hepae.open(path) as opened:
            jets = np.concatenate(opened["Events"]["Jet_pt"].array(library="np"))
        assert found[name] == pytest.approx(np.sum(jets, dtype=float), rel=1e-5)
    assert "told" not in found
    monkeypatch.delenv("HEPAE_MODEL_PATH")
    found = in_root("import hepae.rdataframe as r\nr._require_data_source(ROOT)\n" + REFERRED, whole, model)
    assert "MissingModelError" in found["whole"]
    assert "UnsupportedError" in found["model"] or "MissingModelError" in found["model"]
    assert "neither in the file nor in a folder of HEPAE_MODEL_PATH" in found["told"]


@needs_root
@pytest.mark.root
@pytest.mark.native
def test_where_nothing_compiles_the_interpreter_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes less of C++ than compilers do."""
    monkeypatch.setenv("CXX", "false")
    golden = Path(__file__).parent / "golden" / "v1"
    paths = [golden / f"{name}.root" for name in ("bottleneck-uint8", "masked-jets", "lifting-rntuple")]
    for path, found in zip(paths, in_root(INTERPRETED, *paths), strict=True):
        with hepae.open(path) as opened:
            jets = np.concatenate(opened["Events"]["Jet_pt"].array(library="np"))
        assert found == pytest.approx(np.sum(jets, dtype=float), rel=1e-6)


def test_the_folder_of_headers_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--include"])
    assert capsys.readouterr().out.strip() == str(include_folder())
    assert (include_folder() / "hepae" / "datasource.hpp").is_file()


def test_a_compiler_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "false")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.warns(RuntimeWarning, match="could not be compiled, ROOT's interpreter compiles it: false"):
        assert built("/nowhere", "6", "c++17") is None
