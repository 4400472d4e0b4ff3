// RNTuples of a file, and the payload that stands in one (docs/format/v1.md, section 17.6).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <ROOT/RNTuple.hxx>
#include <ROOT/RNTupleDescriptor.hxx>
#include <ROOT/RNTupleReader.hxx>
#include <TFile.h>
#include <TKey.h>

#include "../error.hpp"

namespace hepae::root::ntuples {

/// The RNTuple of a path; null where it is a tree, or nothing.
inline std::unique_ptr<ROOT::RNTupleReader> open(TFile &file, const std::string &path)
{
   const std::unique_ptr<ROOT::RNTuple> anchor(file.Get<ROOT::RNTuple>(path.c_str()));
   return anchor ? ROOT::RNTupleReader::Open(*anchor) : nullptr;
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
