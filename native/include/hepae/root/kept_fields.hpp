// Fields of RNTuples that were not compressed: ROOT reads them from the RNTuples as they are.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>
#include <vector>

#include <ROOT/RDF/RColumnReaderBase.hxx>
#include <ROOT/RNTupleDS.hxx>

#include "../error.hpp"
#include "kept.hpp"

namespace hepae::root {

class KeptFields final : public KeptColumns {
public:
   /// `edges`: at which entry each file begins, and the end.
   KeptFields(std::vector<std::string> files, std::string ntuple, std::vector<std::size_t> edges)
      : fData{std::move(files), std::move(ntuple), std::move(edges)}, fSource(fData.ntuple, fData.files[0])
   {
      for (const std::string &name : fSource.GetColumnNames())
         if (!is_own(field_of(name)))
            fNames.push_back(name);
   }

   std::string type_of(std::string_view name) const override { return fSource.GetTypeName(name); }

   std::unique_ptr<ROOT::Detail::RDF::RColumnReaderBase>
   reader(unsigned int, std::string_view name, const std::type_info &type) const override
   {
      return std::make_unique<Reader>(fData, std::string(name), type);
   }

private:
   struct Data {
      std::vector<std::string> files;
      std::string ntuple;
      std::vector<std::size_t> edges;
   };

   Data fData;
   ROOT::RDF::RNTupleDS fSource; ///< of names and types

   /// The field at the top; sizes of collections are columns too.
   static std::string field_of(const std::string &name)
   {
      const std::string size = "R_rdf_sizeof_";
      const std::string own = name.compare(0, size.size(), size) == 0 ? name.substr(size.size()) : name;
      return own.substr(0, own.find('.'));
   }

   /// Has a source of its own with one slot, which sees a file as one range: ROOT's ranges are others than chunks, and event loops
   /// may ask for further columns at any time.
   class Reader final : public ROOT::Detail::RDF::RColumnReaderBase {
   public:
      Reader(const Data &data, std::string name, const std::type_info &type) : fData(data), fName(std::move(name)), fType(&type) {}
      ~Reader() override { close(); }

   private:
      const Data &fData;
      std::string fName;
      const std::type_info *fType;
      std::size_t fFirst = 0, fLast = 0; ///< entries of the file that is open
      std::unique_ptr<ROOT::RDF::RNTupleDS> fSource;
      std::unique_ptr<ROOT::Detail::RDF::RColumnReaderBase> fInner;

      void *GetImpl(Long64_t entry) override
      {
         const auto place = static_cast<std::size_t>(entry);
         if (place < fFirst || place >= fLast)
            open(place);
         return fInner->TryGet<char>(static_cast<Long64_t>(place - fFirst));
      }

      void open(std::size_t entry)
      {
         close();
         const auto behind = std::upper_bound(fData.edges.begin(), fData.edges.end(), entry);
         require(behind != fData.edges.begin() && behind != fData.edges.end(), "an entry beyond the end");
         const auto file = static_cast<std::size_t>(behind - fData.edges.begin()) - 1;
         fSource = std::make_unique<ROOT::RDF::RNTupleDS>(fData.ntuple, fData.files[file]);
         fSource->SetNSlots(1);
         fInner = fSource->GetColumnReaders(0, fName, *fType);
         fSource->Initialize();
         const auto ranges = fSource->GetEntryRanges();
         require(ranges.size() == 1 && ranges[0].second == *behind - fData.edges[file], "fields of other entries", fName);
         fSource->InitSlot(0, ranges[0].first);
         fFirst = fData.edges[file];
         fLast = *behind;
      }

      void close()
      {
         if (fSource) {
            fSource->FinalizeSlot(0);
            fSource->Finalize();
         }
         fInner.reset(); // before what it reads from
         fSource.reset();
         fFirst = fLast = 0;
      }
   };
};

} // namespace hepae::root
