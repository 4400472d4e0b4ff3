// A file with a tree that is compressed as a whole: its schemas and chunks, read with ROOT (docs/format/v1.md,
// section 17.1).
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <TBranch.h>
#include <TFile.h>
#include <TTree.h>
#include <TTreeReader.h>
#include <TTreeReaderArray.h>
#include <TTreeReaderValue.h>

#include "../error.hpp"
#include "../json.hpp"
#include "../limits.hpp"
#include "../model_store.hpp"
#include "../ntuple_header.hpp"
#include "../open_schema.hpp"
#include "../reference.hpp"
#include "../schema.hpp"
#include "../sha256.hpp"
#include "../span.hpp"
#include "collections.hpp"
#include "ntuple_columns.hpp"
#include "ntuples.hpp"
#include "stored_columns.hpp"
#include "tree_columns.hpp"

namespace hepae::root {

/// A chunk: entries `first` to `last` (behind the end) of its file, and where its streams begin in its bytes.
struct Row {
   std::size_t index = 0, first = 0, last = 0;
   std::uint32_t chunk = 0;
   const OpenSchema *schema = nullptr;
   std::vector<std::uint64_t> edges;
};

inline std::unique_ptr<TFile> open_file(const std::string &path)
{
   std::unique_ptr<TFile> file(TFile::Open(path.c_str(), "READ_WITHOUT_GLOBALREGISTRATION"));
   if (!file || file->IsZombie())
      throw std::runtime_error("cannot open " + path);
   return file;
}

inline TTree *tree_of(TFile &file, const std::string &name)
{
   auto *tree = dynamic_cast<TTree *>(file.Get(name.c_str()));
   require(tree, "a tree is missing", std::string(file.GetName()) + ":" + name);
   return tree;
}

inline std::unique_ptr<StoredColumns> columns_of(TFile &file, const std::string &tree)
{
   if (ntuples::is(file, tree))
      return std::make_unique<NTupleColumns>(file, tree);
   return std::make_unique<TreeColumns>(*tree_of(file, tree));
}

/// What a file says of its chunks; the same for all threads.
class FileIndex {
public:
   FileIndex(std::string path, std::string tree)
      : fPath(std::move(path)), fTree(std::move(tree)), fFile(open_file(fPath))
   {
      TFile *file = fFile.get();
      read_models(*file);
      fIsNTuple = ntuples::is(*file, fTree);
      const std::unique_ptr<StoredColumns> stored = columns_of(*file, fTree);
      if (key_of(*file, fTree + "__hepae")) {
         read_schemas(*file);
         fIsNTuple ? read_chunks(*file) : read_rows(*file);
      } else if (Collections::are_in(*stored)) {
         read_collections(*stored);
      } else {
         throw std::runtime_error("nothing that is compressed in " + fPath + ":" + fTree);
      }
      require(this->entries() == stored->entries(), "compressed columns are not there for every entry", fPath);
   }

   const std::string &path() const { return fPath; }
   const std::string &tree() const { return fTree; }
   const std::vector<Row> &rows() const { return fRows; }
   std::size_t entries() const { return fRows.empty() ? 0 : fRows.back().last; }

   bool is_ntuple() const { return fIsNTuple; }

   /// The file, open: for the first that asks, as the header of a wide tree takes long to read; null for others.
   std::unique_ptr<TFile> take_file() const
   {
      const std::lock_guard<std::mutex> lock(fMutex);
      return std::move(fFile);
   }

   /// Null where the tree is compressed as a whole.
   const Collections *collections() const { return fCollections.get(); }

private:
   std::string fPath, fTree;
   mutable std::mutex fMutex;
   mutable std::unique_ptr<TFile> fFile;
   bool fIsNTuple = false;
   ModelStore fModels;
   std::unique_ptr<Collections> fCollections;
   std::map<std::uint64_t, std::unique_ptr<OpenSchema>> fSchemas;
   std::vector<Row> fRows;

   void read_models(TFile &file)
   {
      if (!key_of(file, "hepae_models"))
         return;
      if (ntuples::is(file, "hepae_models"))
         return ntuples::for_models(file, [this](const auto &name, const auto &onnx) { add_model(name, onnx); });
      TTreeReader reader(tree_of(file, "hepae_models"));
      TTreeReaderArray<unsigned char> sha256(reader, "sha256"), onnx(reader, "onnx");
      while (reader.Next()) {
         add_model({sha256.begin(), sha256.end()}, {onnx.begin(), onnx.end()});
      }
   }

   void add_model(const std::vector<std::uint8_t> &name, const std::vector<std::uint8_t> &onnx)
   {
      Sha256::Digest digest{};
      require(name.size() == digest.size(), "a model without name", fPath);
      std::copy(name.begin(), name.end(), digest.begin());
      fModels.add(Sha256::digits(digest), onnx);
   }

   void read_collections(StoredColumns &stored)
   {
      fCollections = std::make_unique<Collections>(stored, fModels);
      for (std::size_t chunk = 0; chunk < fCollections->chunks(); ++chunk) {
         Row row;
         row.index = chunk;
         row.first = fCollections->first(chunk);
         row.last = fCollections->last(chunk);
         row.chunk = static_cast<std::uint32_t>(chunk);
         row.schema = fCollections->schema(stored, chunk);
         fRows.push_back(std::move(row));
      }
   }

   void read_schemas(TFile &file)
   {
      TTreeReader reader(tree_of(file, "hepae_schemas"));
      TTreeReaderArray<unsigned char> sha256(reader, "sha256"), data(reader, "data");
      TTreeReaderValue<int> size(reader, "schema");
      const FindModel find = [this](const std::string &one) { return fModels.find(one).second; };
      while (reader.Next()) {
         const std::vector<std::uint8_t> bytes(data.begin(), data.end());
         const auto [header, json] = schema_row(Bytes(bytes), *size, find);
         const Sha256::Digest digest = Sha256::of(json);
         require(std::equal(digest.begin(), digest.end(), sha256.begin(), sha256.end()), "a schema was changed", fPath);
         StoredTree tree = from_json<StoredTree>(parse_json(json));
         if (fIsNTuple)
            show_fields(tree, header);
         if (tree.tree == fTree)
            fSchemas.emplace(name_of(digest), std::make_unique<OpenSchema>(std::move(tree), find));
      }
   }

   /// The first 8 bytes as a number whose hexadecimal digits they are.
   static std::uint64_t name_of(const Sha256::Digest &digest)
   {
      std::uint64_t name = 0;
      for (std::size_t i = 0; i < 8; ++i)
         name = name << 8 | digest[i];
      return name;
   }

   void read_rows(TFile &file)
   {
      TTreeReader reader(tree_of(file, fTree + "__hepae"));
      TTreeReaderValue<unsigned int> chunk(reader, "chunk"), entries(reader, "entries");
      TTreeReaderValue<unsigned long long> schema(reader, "schema");
      TTreeReaderArray<unsigned int> sizes(reader, "sizes");
      while (reader.Next())
         add_row(*chunk, *entries, *schema, {sizes.begin(), sizes.end()});
   }

   /// The same of an RNTuple.
   void read_chunks(TFile &file)
   {
      const auto chunks = ntuples::open(file, fTree + "__hepae");
      require(chunks != nullptr, "the payload is missing", fPath);
      auto chunk = chunks->GetView<std::uint32_t>("chunk"), entries = chunks->GetView<std::uint32_t>("entries");
      auto schema = chunks->GetView<std::uint64_t>("schema");
      auto sizes = chunks->GetView<std::vector<std::uint32_t>>("sizes");
      for (std::uint64_t i = 0; i < chunks->GetNEntries(); ++i)
         add_row(chunk(i), entries(i), schema(i), sizes(i));
   }

   void add_row(std::uint32_t chunk, std::uint32_t entries, std::uint64_t schema, const std::vector<std::uint32_t> &sizes)
   {
      Row row;
      row.index = fRows.size();
      row.first = this->entries();
      row.last = row.first + entries;
      row.chunk = chunk;
      const auto known = fSchemas.find(schema);
      require(known != fSchemas.end(), "a schema is missing", fPath);
      row.schema = known->second.get();
      row.edges.push_back(0);
      for (std::uint32_t size : sizes)
         row.edges.push_back(row.edges.back() + size);
      require(row.edges.back() <= limits::kPayloadBytes, "a chunk is too large", fPath);
      require(entries <= limits::kEvents, "too many entries in a chunk", fPath);
      require(row.edges.size() == row.schema->schema().streams.size() + 1, "a chunk of other streams", fPath);
      fRows.push_back(std::move(row));
   }
};

/// The streams of a file's chunks; each thread has its own.
class PayloadFile {
public:
   explicit PayloadFile(const FileIndex &index) : fIndex(&index), fFile(index.take_file())
   {
      if (!fFile)
         fFile = open_file(index.path());
      if (index.collections()) {
         fStored = columns_of(*fFile, index.tree());
         return;
      }
      if (index.is_ntuple()) {
         fEntries = ntuples::open(*fFile, index.tree());
         fChunks = std::make_unique<ntuples::Payload>(*fFile, index.tree() + "__hepae");
         return;
      }
      fTree = tree_of(*fFile, index.tree());
      fPayload = tree_of(*fFile, index.tree() + "__hepae");
   }

   const FileIndex &index() const { return *fIndex; }

   /// The bytes of some streams of a chunk: straight from the file where the chunk is a basket that is not compressed.
   std::vector<std::vector<std::uint8_t>> fetch(const Row &row, const std::vector<std::size_t> &streams)
   {
      if (fIndex->collections())
         return from_collections(row, streams);
      std::vector<std::uint8_t> joined = from_place(row, streams);
      if (joined.empty())
         joined = of_streams(row, fChunks ? fChunks->read(row.index) : from_branch(row), streams);
      std::vector<std::vector<std::uint8_t>> out;
      auto at = joined.cbegin();
      for (std::size_t stream : streams) {
         const auto end = at + static_cast<std::ptrdiff_t>(row.edges[stream + 1] - row.edges[stream]);
         out.emplace_back(at, end);
         at = end;
      }
      return out;
   }

   /// Refuse entries that are not marked as those of their chunk: some were dropped, added or moved.
   void check_markers(const Row &row)
   {
      if (fIndex->collections())
         return; // frames say of which events they are
      if (fEntries)
         return check_marks(row);
      TBranch *branch = fTree->GetBranch("hepae");
      require(branch, "the branch hepae is missing", fIndex->path());
      std::uint32_t marker = 0;
      branch->SetAddress(&marker);
      for (std::size_t entry = row.first; entry < row.last; ++entry)
         require(branch->GetEntry(static_cast<Long64_t>(entry)) == sizeof(marker) && marker == row.chunk,
                 "entries were dropped, added or moved by another program", fIndex->path());
      branch->ResetAddress();
   }

private:
   const FileIndex *fIndex;
   std::unique_ptr<TFile> fFile;
   TTree *fTree = nullptr, *fPayload = nullptr;
   std::unique_ptr<ROOT::RNTupleReader> fEntries; ///< of an RNTuple
   std::unique_ptr<ntuples::Payload> fChunks;
   std::unique_ptr<StoredColumns> fStored; ///< of collections
   OpenEventRows fOpenEvents;

   void check_marks(const Row &row)
   {
      auto marker = fEntries->GetView<std::uint32_t>("hepae");
      for (std::size_t entry = row.first; entry < row.last; ++entry)
         require(marker(entry) == row.chunk, "entries were dropped, added or moved by another program", fIndex->path());
   }

   std::vector<std::vector<std::uint8_t>> from_collections(const Row &row, const std::vector<std::size_t> &streams)
   {
      std::vector<std::vector<std::uint8_t>> out;
      for (std::size_t stream : streams)
         out.push_back(fIndex->collections()->stream(*fStored, *row.schema, row.index, stream, fOpenEvents));
      return out;
   }

   /// A number of the header of a key, big-endian.
   static std::int64_t number(const char *bytes, int size)
   {
      std::int64_t out = 0;
      for (int i = 0; i < size; ++i)
         out = out << 8 | static_cast<unsigned char>(bytes[i]);
      return out;
   }

   /// Where the bytes of a chunk begin in the file; 0 where they are not alone in a basket or page, or compressed by ROOT.
   Long64_t place_of(const Row &row)
   {
      if (fChunks)
         return fChunks->place_of(row.index, row.edges.back());
      TBranch &branch = *fPayload->GetBranch("payload");
      const Long64_t *first = branch.GetBasketEntry();
      const auto entry = static_cast<Long64_t>(row.index);
      Int_t basket = 0;
      while (basket < branch.GetWriteBasket() && first[basket] != entry)
         ++basket;
      if (basket >= branch.GetWriteBasket() || first[basket + 1] != entry + 1)
         return 0;
      // TKey: bytes in all (4), version (2), bytes of the object (4), time (4), bytes of the key (2)
      char key[16];
      const Long64_t seek = branch.GetBasketSeek(basket);
      if (seek <= 0 || fFile->ReadBuffer(key, seek, sizeof(key)))
         return 0;
      const std::int64_t all = number(key, 4), object = number(key + 6, 4), header = number(key + 14, 2);
      const bool plain = all == header + object && object >= static_cast<std::int64_t>(row.edges.back());
      return plain ? seek + header : 0;
   }

   /// The streams one after the other; nothing where they cannot be read by themselves.
   std::vector<std::uint8_t> from_place(const Row &row, const std::vector<std::size_t> &streams)
   {
      const Long64_t place = place_of(row);
      if (place == 0)
         return {};
      std::vector<Long64_t> places;
      std::vector<Int_t> sizes;
      std::size_t all = 0;
      for (std::size_t stream : streams) {
         places.push_back(place + static_cast<Long64_t>(row.edges[stream]));
         sizes.push_back(static_cast<Int_t>(row.edges[stream + 1] - row.edges[stream]));
         all += static_cast<std::size_t>(sizes.back());
      }
      std::vector<std::uint8_t> out(all);
      auto *buffer = reinterpret_cast<char *>(out.data());
      const bool failed = fFile->ReadBuffers(buffer, places.data(), sizes.data(), static_cast<Int_t>(sizes.size()));
      require(!failed, "streams cannot be read", fIndex->path());
      return out;
   }

   std::vector<std::uint8_t> from_branch(const Row &row)
   {
      TTreeReader reader(fPayload);
      TTreeReaderArray<unsigned char> payload(reader, "payload");
      require(reader.SetEntry(static_cast<Long64_t>(row.index)) == TTreeReader::kEntryValid, "a chunk cannot be read", fIndex->path());
      return {payload.begin(), payload.end()};
   }

   std::vector<std::uint8_t> of_streams(const Row &row, const std::vector<std::uint8_t> &payload,
                                        const std::vector<std::size_t> &streams) const
   {
      require(payload.size() == row.edges.back(), "a chunk of another length", fIndex->path());
      std::vector<std::uint8_t> out;
      for (std::size_t stream : streams)
         out.insert(out.end(), payload.begin() + static_cast<std::ptrdiff_t>(row.edges[stream]),
                    payload.begin() + static_cast<std::ptrdiff_t>(row.edges[stream + 1]));
      return out;
   }
};

} // namespace hepae::root
