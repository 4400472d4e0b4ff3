"""RNTuples as ROOT makes and reads them, in a process of its own."""

from __future__ import annotations

from pathlib import Path

from tests.root_process import in_root

ENUM = """
ROOT.gInterpreter.Declare("enum class Flavour : std::int16_t { kLight = -1, kHeavy = 5 };")
"""
TYPES = f'''{ENUM}
ROOT.gInterpreter.Declare("""
#include <array>
#include <vector>
struct Point {{ float x = 0; double y = 0; }};
struct Hit : Point {{ std::int32_t detector = 0; std::vector<std::uint8_t> samples; std::array<float, 3> at; }};
struct Track {{ std::vector<Hit> hits; bool good = false; Double32_t chi2 = 0; }};
""")
'''

SHOW = r'''
ROOT.gInterpreter.Declare("""
#include <ROOT/RFieldVisitor.hxx>
#include <ROOT/RNTuple.hxx>
#include <ROOT/RNTupleReader.hxx>
#include <sstream>
std::string shown(const char *path, const char *name, int entries) {
  std::unique_ptr<TFile> file(TFile::Open(path));
  auto anchor = std::unique_ptr<ROOT::RNTuple>(file->Get<ROOT::RNTuple>(name));
  ROOT::RNTupleDescriptor::RCreateModelOptions options;
  options.SetEmulateUnknownTypes(true);
  options.SetForwardCompatible(true);
  options.SetReconstructProjections(true);
  auto reader = ROOT::RNTupleReader::Open(options, *anchor);
  std::ostringstream out;
  out << reader->GetNEntries() << " " << reader->GetDescriptor().GetDescription() << std::endl;
  auto show = [&](const ROOT::RFieldBase::RValue &value, const std::string &projection) {
    const auto &field = value.GetField();
    out << field.GetFieldName() << " " << field.GetTypeName() << " " << field.GetDescription() << projection << ": ";
    if (field.GetTypeName().find("Cardinality<std::uint32_t>") != std::string::npos)
      out << *std::static_pointer_cast<std::uint32_t>(value.GetPtr<void>());
    else if (field.GetTypeName().find("Cardinality") != std::string::npos)
      out << *std::static_pointer_cast<std::uint64_t>(value.GetPtr<void>());
    else {
      ROOT::Internal::RPrintValueVisitor visitor(value, out);
      field.AcceptVisitor(visitor);
    }
    out << std::endl;
  };
  // the entry of a model has no projections
  std::vector<std::pair<std::string, ROOT::RNTupleView<void>>> projected;
  const auto &described = reader->GetDescriptor();
  for (const auto &field : described.GetTopLevelFields())
    if (field.IsProjectedField())
      projected.emplace_back(" of " + described.GetQualifiedFieldName(field.GetProjectionSourceId()),
                             reader->GetView<void>(field.GetFieldName()));
  for (int i = 0; i < std::min<int>(entries, reader->GetNEntries()); ++i) {
    reader->LoadEntry(i);
    for (const auto &value : reader->GetModel().GetDefaultEntry())
      show(value, "");
    for (auto &[source, view] : projected) {
      view(i);
      show(view.GetValue(), source);
    }
  }
  return out.str();
}
""")
'''


SHOW_EACH = """
result = []
for path in paths:
    file, found = ROOT.TFile.Open(path), {}
    for key in (file.Get(above) if above else file).GetListOfKeys():
        if key.GetClassName() == "ROOT::RNTuple":
            name = f"{above}/{key.GetName()}" if above else key.GetName()
            found[f"{key.GetName()};{key.GetCycle()}"] = str(ROOT.shown(path, name, entries))
    result.append(found)
"""


def shown(path: Path, entries: int = 40, directory: str = "") -> dict[str, str]:
    """What ROOT shows of every RNTuple in a directory: entries, description, and the values of each field."""
    return each_shown(path, entries=entries, directory=directory)[0]


def each_shown(*paths: Path, entries: int, directory: str = "") -> list[dict[str, str]]:
    """What ROOT shows of the RNTuples of several files, in one process."""
    code = f"entries, above = {entries}, {directory!r}\n"
    # classes that are not there are emulated, enumerations are not
    found: list[dict[str, str]] = in_root(ENUM + SHOW + code + SHOW_EACH, *paths)
    return found


HADD = """
merger = ROOT.TFileMerger(False)
merger.OutputFile(paths[0], "recreate", 505)
for path in paths[1:]:
    merger.AddFile(path)
result = bool(merger.Merge())
"""


def hadd(target: Path, *paths: Path) -> bool:
    """Whether ROOT puts files together as ``hadd`` does."""
    merged: bool = in_root(TYPES + HADD, target, *paths)
    return merged


INSPECT = """
result = []
for path in paths:
    file, found = ROOT.TFile.Open(path), {}
    for key in file.GetListOfKeys():
        if key.GetClassName() == "ROOT::RNTuple":
            one = ROOT.Experimental.RNTupleInspector.Create(key.GetName(), path)
            entries = one.GetDescriptor().GetNEntries()
            found[key.GetName()] = [entries, one.GetCompressedSize(), one.GetUncompressedSize()]
    result.append(found)
"""


def inspected(*paths: Path) -> list[dict[str, list[int]]]:
    """What ROOT's RNTupleInspector says of the RNTuples at the top: entries, bytes on disk and unpacked."""
    found: list[dict[str, list[int]]] = in_root(INSPECT, *paths)
    return found


CMS = r'''
ROOT.gInterpreter.Declare("""
#include <ROOT/RField.hxx>
#include <ROOT/RNTupleModel.hxx>
#include <ROOT/RNTupleWriteOptions.hxx>
#include <ROOT/RNTupleWriter.hxx>
#include <TH1F.h>
#include <TTree.h>
struct Electron { float pt; std::int32_t charge; bool tight; };

std::unique_ptr<ROOT::RNTupleModel> events_model() {
  using namespace ROOT;
  auto model = RNTupleModel::CreateBare();
  model->SetDescription("events as CMS writes them");
  model->AddField(std::make_unique<RField<std::uint32_t>>("run"));
  model->AddField(std::make_unique<RField<std::uint64_t>>("event"));
  std::vector<std::unique_ptr<RFieldBase>> items;
  items.emplace_back(std::make_unique<RField<float>>("pt"));
  items.emplace_back(std::make_unique<RField<std::int32_t>>("charge"));
  items.emplace_back(std::make_unique<RField<bool>>("tight"));
  items[0]->SetDescription("transverse momentum");
  auto record = std::make_unique<RRecordField>("_0", std::move(items));
  model->AddField(RVectorField::CreateUntyped("Electron", std::move(record)));
  auto project = [&](std::unique_ptr<RFieldBase> field, const std::string &member) {
    const std::string name = field->GetFieldName();
    model->AddProjectedField(std::move(field), [=](const std::string &at) {
      return at == name ? std::string("Electron") : "Electron._0." + member;
    });
  };
  project(std::make_unique<RField<RNTupleCardinality<std::uint32_t>>>("nElectron"), "");
  project(RFieldBase::Create("Electron_pt", "ROOT::VecOps::RVec<float>").Unwrap(), "pt");
  project(RFieldBase::Create("Electron_charge", "ROOT::VecOps::RVec<std::int32_t>").Unwrap(), "charge");
  project(RFieldBase::Create("Electron_tight", "ROOT::VecOps::RVec<bool>").Unwrap(), "tight");
  model->AddField(RFieldBase::Create("name", "std::string").Unwrap());
  model->AddField(RFieldBase::Create("weights", "std::vector<std::vector<double>>").Unwrap());
  return model;
}

void write_events(TDirectory &file, int entries, int first, int per_cluster, int late) {
  using namespace ROOT;
  RNTupleWriteOptions options;
  auto writer = RNTupleWriter::Append(events_model(), "Events", file, options);
  auto entry = writer->CreateEntry();
  bool flag = false;
  for (int i = 0; i < entries; ++i) {
    if (i == late) {
      auto updater = writer->CreateModelUpdater();
      updater->BeginUpdate();
      updater->AddField(std::make_unique<RField<bool>>("HLT_late"));
      updater->AddField(RFieldBase::Create("late", "std::vector<float>").Unwrap());
      updater->CommitUpdate();
      entry = writer->CreateEntry();
    }
    const int number = first + i;
    *entry->GetPtr<std::uint32_t>("run") = 1 + number / 50;
    *entry->GetPtr<std::uint64_t>("event") = 1000ull * number;
    std::vector<Electron> electrons;
    for (int k = 0; k < number % 4; ++k)
      electrons.push_back({10.f + 0.37f * number + k, k % 2 ? 1 : -1, k == 1});
    entry->BindRawPtr<void>("Electron", &electrons);
    *entry->GetPtr<std::string>("name") = std::string(number % 3, 'x');
    std::vector<std::vector<double>> weights(number % 3, std::vector<double>{1.5 * number, 2.});
    entry->BindRawPtr<void>("weights", &weights);
    std::vector<float> more(number % 2, number);
    if (late >= 0 && i >= late) {
      *entry->GetPtr<bool>("HLT_late") = number % 2;
      entry->BindRawPtr<void>("late", &more);
    }
    writer->Fill(*entry);
    if (per_cluster && (i + 1) % per_cluster == 0) writer->CommitCluster((i + 1) % (3 * per_cluster) == 0);
  }
}

void write_runs(TDirectory &file, int first) {
  using namespace ROOT;
  auto model = RNTupleModel::Create();
  auto run = model->MakeField<std::uint32_t>("run");
  auto sum = model->MakeField<double>("genEventSumw");
  auto writer = RNTupleWriter::Append(std::move(model), "Runs", file);
  *run = 1 + first / 50;
  *sum = 100. + first;
  writer->Fill();
}

void write_blocks(TDirectory &file, int first) {
  using namespace ROOT;
  auto model = RNTupleModel::Create();
  auto run = model->MakeField<std::uint32_t>("run");
  auto block = model->MakeField<std::uint32_t>("luminosityBlock");
  auto writer = RNTupleWriter::Append(std::move(model), "LuminosityBlocks", file);
  for (int i = 0; i < 5; ++i) { *run = 1 + first / 50; *block = i; writer->Fill(); }
}

void write_cms(const char *path, int entries, int first, int per_cluster, int late, bool inner) {
  std::unique_ptr<TFile> file(TFile::Open(path, "RECREATE"));
  write_events(*file, entries, first, per_cluster, late);
  write_runs(*file, first);
  write_blocks(*file, first);
  if (inner) write_runs(*file->mkdir("inner"), first);
  // behind the RNTuples: each writes the whole file once more when it is complete
  TTree tree("beside", "a TTree beside");
  ULong64_t event = 0;
  tree.Branch("event", &event);
  for (int i = 0; i < 20000; ++i) { event = (1ull << 60) + 3 * i + i % 2; tree.Fill(); }
  TH1F histogram("h", "a histogram", 10, 0, 1);
  histogram.Fill(0.5, 3.);
  file->Write();
}
""")
'''


def write_cms(
    path: Path,
    entries: int = 200,
    first: int = 0,
    per_cluster: int = 60,
    late: int | None = 130,
    inner: bool = True,
) -> Path:
    """A file as CMS writes it: untyped collections with projections, fields that are added late, Runs beside Events.

    Beside these are a TTree and a histogram.

    Parameters
    ----------
    entries, first
        How many entries, and the number of the first, from which values follow.
    per_cluster
        Entries of a cluster.
    late
        The entry before which fields are added, None for no such fields.
    inner
        Whether there is an RNTuple in a directory as well.
    """
    after = -1 if late is None else late
    arguments = f"paths[0], {entries}, {first}, {per_cluster}, {after}, {inner}"
    assert in_root(f"{CMS}\nROOT.write_cms({arguments})\nresult = True", path)
    return path


ATTRIBUTES = r'''
ROOT.gInterpreter.Declare("""
#include <ROOT/RNTupleAttrWriting.hxx>
#include <ROOT/RNTupleModel.hxx>
#include <ROOT/RNTupleWriter.hxx>
void write_attributes(const char *path) {
  auto model = ROOT::RNTupleModel::Create();
  auto x = model->MakeField<float>("x");
  std::unique_ptr<TFile> file(TFile::Open(path, "RECREATE"));
  auto writer = ROOT::RNTupleWriter::Append(std::move(model), "T", *file);
  auto meta = ROOT::RNTupleModel::Create();
  auto name = meta->MakeField<std::string>("name");
  auto attributes = writer->CreateAttributeSet(std::move(meta), "meta");
  auto range = attributes->BeginRange();
  for (int i = 0; i < 10; ++i) { *x = i; writer->Fill(); }
  *name = "first";
  attributes->CommitRange(std::move(range));
  writer.reset();
  file->Write();
}
""")
ROOT.write_attributes(paths[0])
result = True
'''


def write_attributes(path: Path) -> Path:
    """A file with an RNTuple that has a set of attributes."""
    assert in_root(ATTRIBUTES, path)
    return path


KINDS = """
ROOT.gInterpreter.Declare('''
#include <ROOT/RNTupleModel.hxx>
#include <ROOT/RNTupleWriter.hxx>
#include <array>
#include <bitset>
#include <optional>
#include <variant>
void write_kinds(const char *path) {
  auto model = ROOT::RNTupleModel::Create();
  auto variant = model->MakeField<std::variant<int, std::string, std::vector<float>>>("variant");
  auto optional = model->MakeField<std::optional<double>>("optional");
  auto fixed = model->MakeField<std::array<std::vector<int>, 2>>("fixed");
  auto matrix = model->MakeField<std::array<std::array<float, 2>, 3>>("matrix");
  auto bits = model->MakeField<std::bitset<11>>("bits");
  auto pairs = model->MakeField<std::vector<std::pair<int, std::string>>>("pairs");
  auto truncated = std::make_unique<ROOT::RField<float>>("truncated");
  truncated->SetTruncated(14);
  model->AddField(std::move(truncated));
  auto writer = ROOT::RNTupleWriter::Recreate(std::move(model), "T", path);
  auto t = writer->GetModel().GetDefaultEntry().GetPtr<float>("truncated");
  for (int i = 0; i < 40; ++i) {
    if (i % 3 == 0) *variant = i;
    else if (i % 3 == 1) *variant = std::string(i % 5, 'v');
    else *variant = std::vector<float>(i % 4, i);
    if (i % 4) *optional = 0.5 * i; else optional->reset();
    *fixed = {std::vector<int>(i % 2, i), std::vector<int>(i % 3, -i)};
    for (int k = 0; k < 6; ++k) (*matrix)[k / 2][k % 2] = 10 * i + k;
    *bits = std::bitset<11>(37 * i);
    pairs->assign(i % 3, {i, std::string(i % 4, 'p')});
    *t = 1.f + i / 7.f;
    writer->Fill();
    if (i == 15) writer->CommitCluster();
  }
}
''')
ROOT.write_kinds(paths[0])
result = True
"""


def write_kinds(path: Path) -> Path:
    """A file with an RNTuple of 40 entries in two clusters, whose fields are of every kind."""
    assert in_root(KINDS, path)
    return path


CLASSES = r'''
ROOT.gInterpreter.Declare("""
#include <ROOT/RField.hxx>
#include <ROOT/RNTupleModel.hxx>
#include <ROOT/RNTupleWriter.hxx>
#include <TNamed.h>
#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <tuple>
#include <unordered_map>

template <typename T> T *add(ROOT::RNTupleModel &model, std::unique_ptr<ROOT::RField<T>> field) {
  const std::string name = field->GetFieldName();
  model.AddField(std::move(field));
  return model.GetDefaultEntry().GetPtr<T>(name).get();
}

template <typename T, typename F> std::unique_ptr<ROOT::RField<T>> reduced(const char *name, F reduce) {
  auto field = std::make_unique<ROOT::RField<T>>(name);
  reduce(*field);
  return field;
}

void write_classes(const char *path) {
  auto model = ROOT::RNTupleModel::Create();
  auto hit = model->MakeField<Hit>("hit");
  auto tracks = model->MakeField<std::vector<Track>>("tracks");
  auto flavour = model->MakeField<Flavour>("flavour");
  auto flavours = model->MakeField<std::vector<Flavour>>("flavours");
  auto atomic = model->MakeField<std::atomic<std::int32_t>>("atomic");
  auto set = model->MakeField<std::set<int>>("set");
  auto map = model->MakeField<std::map<std::string, float>>("map");
  auto tuple = model->MakeField<std::tuple<char, std::byte, std::uint64_t>>("tuple");
  auto pointer = model->MakeField<std::unique_ptr<std::int64_t>>("pointer");
  auto flags = model->MakeField<std::vector<bool>>("flags");
  auto rvec = model->MakeField<ROOT::RVec<std::uint16_t>>("rvec");
  auto deep = model->MakeField<std::vector<std::array<std::vector<std::int8_t>, 2>>>("deep");
  auto words = model->MakeField<std::vector<std::string>>("words");
  auto sets = model->MakeField<std::vector<std::bitset<70>>>("sets");
  auto half = add(*model, reduced<float>("half", [](auto &f) { f.SetHalfPrecision(); }));
  auto cut = add(*model, reduced<float>("cut", [](auto &f) { f.SetTruncated(17); }));
  auto cut_double = add(*model, reduced<double>("cut_double", [](auto &f) { f.SetTruncated(31); }));
  auto grid = add(*model, reduced<float>("grid", [](auto &f) { f.SetQuantized(9, {-8.f, 24.f}); }));
  auto fine = add(*model, reduced<double>("fine", [](auto &f) { f.SetQuantized(32, {-8., 24.}); }));
  auto packed = add(*model, reduced<double>("packed", [](auto &f) { f.SetDouble32(); }));
  model->AddField(std::make_unique<ROOT::RStreamerField>("streamed", "TNamed"));
  auto streamed = model->GetDefaultEntry().GetPtr<TNamed>("streamed");
  auto writer = ROOT::RNTupleWriter::Recreate(std::move(model), "T", path);
  auto fill = [](Hit &one, int i) {
    one.x = 0.5f * i; one.y = -0.1 * i; one.detector = 7 - i;
    one.samples.assign(i % 4, 3 * i);
    for (int k = 0; k < 3; ++k) one.at[k] = 10 * i + k;
  };
  for (int i = 0; i < 60; ++i) {
    fill(*hit, i);
    tracks->assign(i % 3, {});
    for (int k = 0; k < i % 3; ++k) {
      (*tracks)[k].hits.resize((i + k) % 3);
      for (auto &one : (*tracks)[k].hits) fill(one, i + k);
      (*tracks)[k].good = (i + k) % 2;
      (*tracks)[k].chi2 = 0.1 * i + k;
    }
    *flavour = i % 2 ? Flavour::kHeavy : Flavour::kLight;
    flavours->assign(i % 3, *flavour);
    *atomic = 1000 - i;
    set->clear(); map->clear();
    for (int k = 0; k < i % 4; ++k) { set->insert(k - i); (*map)[std::string(k, 'm')] = i + 0.5f * k; }
    *tuple = {char(65 + i), std::byte(i), 1000000007ull * i};
    if (i % 3) *pointer = std::make_unique<std::int64_t>(-1000000007ll * i); else pointer->reset();
    flags->assign(i % 5, i % 2); rvec->assign(i % 3, 60000 + i);
    deep->assign(i % 3, {});
    for (auto &pair : *deep) { pair[0].assign(i % 2, i); pair[1].assign(i % 4, -i); }
    words->assign(i % 3, std::string(i % 7, 'w'));
    sets->assign(i % 3, std::bitset<70>(37 * i)); for (auto &one : *sets) one[69] = i % 2;
    *half = 0.37f * i; *cut = *cut_double = *packed = 1 + i / 7.; *grid = *fine = i / 3.1 - 4;
    streamed->SetNameTitle(std::string(i % 5, 'n').c_str(), "a title");
    writer->Fill();
    if (i == 19 || i == 44) writer->CommitCluster(i == 44);
  }
}
""")
ROOT.write_classes(paths[0])
result = True
'''


def write_classes(path: Path) -> Path:
    """A file with an RNTuple of 60 entries in three clusters: classes of a user, containers, numbers of few bits."""
    assert in_root(TYPES + CLASSES, path)
    return path


STORED = """
ROOT.gInterpreter.Declare('''
#include <ROOT/RNTupleModel.hxx>
#include <ROOT/RNTupleWriteOptions.hxx>
#include <ROOT/RNTupleWriter.hxx>
void write_stored(const char *path) {
  auto model = ROOT::RNTupleModel::Create();
  auto x = model->MakeField<float>("x");
  auto n = model->MakeField<std::int32_t>("n");
  auto v = model->MakeField<std::vector<double>>("v");
  ROOT::RNTupleWriteOptions options;
  options.SetCompression(0);
  auto writer = ROOT::RNTupleWriter::Recreate(std::move(model), "T", path, options);
  for (int i = 0; i < 500; ++i) { *x = 0.5f * i; *n = -i; v->assign(i % 3, i); writer->Fill(); }
}
''')
ROOT.write_stored(paths[0])
result = True
"""


def write_stored(path: Path) -> Path:
    """A file with an RNTuple of 500 entries that is not compressed, so that its columns are not split either."""
    assert in_root(STORED, path)
    return path
