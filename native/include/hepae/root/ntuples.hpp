// RNTuples of a file, and the payload that stands in one (docs/format/v1.md, section 17.6).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <ROOT/RNTuple.hxx>
#include <ROOT/RNTupleDescriptor.hxx>
#include <ROOT/RNTupleReader.hxx>
#include <TDirectory.h>
#include <TFile.h>
#include <TKey.h>

#include "../error.hpp"

namespace hepae::root {

/// The key of an object by its path; null where there is none.
inline const TKey *key_of(TFile &file, const std::string &path)
{
   const std::size_t slash = path.rfind('/');
   if (slash == std::string::npos)
      return file.GetKey(path.c_str());
   TDirectory *folder = file.GetDirectory(path.substr(0, slash).c_str());
   return folder ? folder->GetKey(path.substr(slash + 1).c_str()) : nullptr;
}

} // namespace hepae::root

namespace hepae::root::ntuples {

/// Whether a path is that of an RNTuple.
inline bool is(TFile &file, const std::string &path)
{
   const TKey *key = key_of(file, path);
   return key && std::string(key->GetClassName()) == "ROOT::RNTuple";
}

/// The RNTuple of a path; null where it is a tree, or nothing.
inline std::unique_ptr<ROOT::RNTupleReader> open(TFile &file, const std::string &path)
{
   const std::unique_ptr<ROOT::RNTuple> anchor(file.Get<ROOT::RNTuple>(path.c_str()));
   return anchor ? ROOT::RNTupleReader::Open(*anchor) : nullptr;
}

/// Calls a function with name and bytes of each model of a file.
template <class Function>
void for_models(TFile &file, const Function &function)
{
   const auto models = open(file, "hepae_models");
   auto sha256 = models->GetView<std::array<std::uint8_t, 32>>("sha256");
   auto onnx = models->GetView<std::vector<std::uint8_t>>("onnx");
   for (std::uint64_t i = 0; i < models->GetNEntries(); ++i)
      function(std::vector<std::uint8_t>(sha256(i).begin(), sha256(i).end()), onnx(i));
}

/// The bytes of the chunks.
class Payload {
public:
   Payload(TFile &file, const std::string &path) : fReader(open(file, path))
   {
      require(fReader != nullptr, "the payload is missing", path);
   }

   /// Where those of a chunk begin in the file; 0 where they are not alone in a page, or compressed.
   Long64_t place_of(std::size_t chunk, std::uint64_t size) const
   {
      const ROOT::RNTupleDescriptor &all = fReader->GetDescriptor();
      const auto bytes = all.FindFieldId("_0", all.FindFieldId("payload"));
      const auto column = all.FindPhysicalColumnId(bytes, 0, 0);
      for (const ROOT::RClusterDescriptor &cluster : all.GetClusterIterable()) {
         if (cluster.GetFirstEntryIndex() != chunk || cluster.GetNEntries() != 1)
            continue;
         const auto &pages = cluster.GetPageRange(column).GetPageInfos();
         if (pages.size() == 1 && pages[0].GetNElements() == size && pages[0].GetLocator().GetNBytesOnStorage() == size)
            return static_cast<Long64_t>(pages[0].GetLocator().GetPosition<std::uint64_t>());
      }
      return 0;
   }

   std::vector<std::uint8_t> read(std::size_t chunk)
   {
      return fReader->GetView<std::vector<std::uint8_t>>("payload")(chunk);
   }

private:
   std::unique_ptr<ROOT::RNTupleReader> fReader;
};

} // namespace hepae::root::ntuples
