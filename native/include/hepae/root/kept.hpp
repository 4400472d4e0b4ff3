// Branches that were not compressed: ROOT reads them from the trees as they are.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>
#include <vector>

#include <ROOT/RDF/RColumnReaderBase.hxx>
#include <ROOT/RDataSource.hxx>
#include <ROOT/RTTreeDS.hxx>
#include <TChain.h>
#include <TTreeReader.h>

namespace hepae::root {

/// What was not compressed: columns beside the others.
class KeptColumns {
public:
   virtual ~KeptColumns() = default;

   const std::vector<std::string> &names() const { return fNames; }
   bool has(std::string_view name) const { return std::find(fNames.begin(), fNames.end(), name) != fNames.end(); }

   virtual std::string type_of(std::string_view name) const = 0;
   virtual std::unique_ptr<ROOT::Detail::RDF::RColumnReaderBase>
   reader(unsigned int slot, std::string_view name, const std::type_info &type) const = 0;

protected:
   std::vector<std::string> fNames;

   /// The column of chunk numbers, and those of frames.
   static bool is_own(const std::string &name)
   {
      const std::string suffix = "__hepae";
      return name == "hepae" || (name.size() > suffix.size() &&
                                 name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0);
   }
};

class KeptBranches final : public KeptColumns {
public:
   KeptBranches(const std::vector<std::string> &files, std::string tree)
      : fFiles(files), fTree(std::move(tree)), fSource(std::make_unique<ROOT::Internal::RDF::RTTreeDS>(fTree, files))
   {
      for (const std::string &name : ROOT::Internal::RDF::GetColumnNamesNoDuplicates(*fSource))
         if (!is_own(name))
            fNames.push_back(name);
   }

   std::string type_of(std::string_view name) const override
   {
      return ROOT::Internal::RDF::GetTypeNameWithOpts(*fSource, name, true);
   }

   std::unique_ptr<ROOT::Detail::RDF::RColumnReaderBase>
   reader(unsigned int slot, std::string_view name, const std::type_info &type) const override
   {
      auto out = std::make_unique<Reader>(fFiles, fTree);
      out->fInner = ROOT::Internal::RDF::CreateColumnReader(*fSource, slot, name, type, &out->fReader);
      return out;
   }

private:
   /// Has a chain of its own: what reads a tree must be made before its first entry is read, and event loops may ask for
   /// further columns at any time.
   struct Reader : ROOT::Detail::RDF::RColumnReaderBase {
      TChain fChain;
      TTreeReader fReader;
      std::unique_ptr<ROOT::Detail::RDF::RColumnReaderBase> fInner;

      Reader(const std::vector<std::string> &files, const std::string &tree) : fChain(tree.c_str())
      {
         fChain.ResetBit(kMustCleanup);
         for (const std::string &file : files)
            fChain.Add(file.c_str());
         fReader.SetTree(&fChain);
      }

      void *GetImpl(Long64_t entry) override
      {
         if (fReader.GetCurrentEntry() != entry)
            fReader.SetEntry(entry);
         return fInner->TryGet<char>(entry);
      }
   };

   std::vector<std::string> fFiles;
   std::string fTree;
   std::unique_ptr<ROOT::RDF::RDataSource> fSource;
};

} // namespace hepae::root
