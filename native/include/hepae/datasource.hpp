// ROOT's RDataFrame over files that hepae compressed as a whole:
//
//    ROOT::RDataFrame df(std::make_unique<hepae::DataSource>("small.root", "Events"));
//
// Columns have the names and types of the original branches. Only those that are asked for are read and decoded, a chunk
// at a time in each thread. Branches that were not compressed are read by ROOT.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>
#include <vector>

#include <ROOT/RDataSource.hxx>
#include <TChain.h>
#include <TChainElement.h>

#include "buffer.hpp"
#include "root/kept.hpp"
#include "root/kept_fields.hpp"
#include "root/payload_file.hpp"
#include "root/readers.hpp"
#include "root/slot.hpp"
#include "root/types.hpp"

namespace hepae {

class DataSource : public ROOT::RDF::RDataSource {
public:
   /// `files` may be a name with wildcards, or several.
   DataSource(const std::string &files, const std::string &tree) : DataSource(std::vector{files}, tree) {}

   DataSource(const std::vector<std::string> &files, const std::string &tree)
   {
      keep_freed_memory();
      const std::vector<std::string> paths = expanded(files, tree);
      for (const std::string &path : paths)
         fData.add(std::make_unique<root::FileIndex>(path, tree));
      if (fData.entries() == 0)
         throw std::runtime_error("no entries in " + (files.empty() ? tree : files[0] + ":" + tree));
      for (const auto &file : fData.files)
         if (!file->rows().empty() && fColumns.empty())
            fColumns = root::views_of(file->rows()[0].schema->tree());
      for (const root::ColumnView &column : fColumns)
         fNames.push_back(column.name);
      if (fData.files[0]->is_ntuple())
         fKept = std::make_unique<root::KeptFields>(paths, tree, fData.first);
      else
         fKept = std::make_unique<root::KeptBranches>(paths, tree);
      fNames.insert(fNames.end(), fKept->names().begin(), fKept->names().end());
   }

   void SetNSlots(unsigned int slots) final
   {
      fNSlots = slots;
      for (unsigned int i = 0; i < slots; ++i)
         fSlots.push_back(std::make_unique<root::Slot>(fData));
   }

   std::size_t GetNFiles() const final { return fData.files.size(); }
   const std::vector<std::string> &GetColumnNames() const final { return fNames; }
   bool HasColumn(std::string_view name) const final { return std::count(fNames.begin(), fNames.end(), name) > 0; }
   std::string GetTypeName(std::string_view name) const final
   {
      return fKept->has(name) ? fKept->type_of(name) : root::type_name(view(name));
   }
   std::string GetLabel() final { return "hepae"; }

   std::unique_ptr<ROOT::Detail::RDF::RColumnReaderBase>
   GetColumnReaders(unsigned int slot, std::string_view name, const std::type_info &type) final
   {
      if (fKept->has(name))
         return fKept->reader(slot, name, type);
      const root::ColumnView &column = view(name);
      if (!root::is_type(type, column))
         throw std::runtime_error("column " + column.name + " is of type " + root::type_name(column));
      return std::make_unique<root::ColumnReader>(*fSlots[slot], column);
   }

   void Initialize() final { fRangesGiven = false; }

   /// The chunks, all at once: each is decoded in one thread.
   std::vector<std::pair<ULong64_t, ULong64_t>> GetEntryRanges() final
   {
      std::vector<std::pair<ULong64_t, ULong64_t>> out;
      if (std::exchange(fRangesGiven, true))
         return out;
      for (std::size_t i = 0; i < fData.files.size(); ++i)
         for (const root::Row &row : fData.files[i]->rows())
            add_range(fData.first[i] + row.first, fData.first[i] + row.last, out);
      return out;
   }

   bool SetEntry(unsigned int, ULong64_t) final { return true; }

protected:
   std::string AsString() final { return "files compressed by hepae"; }

   /// Readers are made by the other function.
   Record_t GetColumnReadersImpl(std::string_view, const std::type_info &) final { return {}; }

private:
   root::DataSet fData;
   std::vector<root::ColumnView> fColumns;
   std::unique_ptr<root::KeptColumns> fKept;
   std::vector<std::string> fNames;
   std::vector<std::unique_ptr<root::Slot>> fSlots;
   bool fRangesGiven = false;

   static std::vector<std::string> expanded(const std::vector<std::string> &files, const std::string &tree)
   {
      TChain chain(tree.c_str());
      for (const std::string &file : files)
         chain.Add(file.c_str());
      std::vector<std::string> out;
      for (TObject *one : *chain.GetListOfFiles())
         out.emplace_back(one->GetTitle());
      return out;
   }

   const root::ColumnView &view(std::string_view name) const
   {
      for (const root::ColumnView &column : fColumns)
         if (column.name == name)
            return column;
      throw std::runtime_error("no column " + std::string(name));
   }

   void add_range(ULong64_t first, ULong64_t last, std::vector<std::pair<ULong64_t, ULong64_t>> &out) const
   {
      if (fGlobalEntryRange) {
         first = std::max(first, fGlobalEntryRange->first);
         last = std::min(last, fGlobalEntryRange->second);
      }
      if (first < last)
         out.emplace_back(first, last);
   }
};

} // namespace hepae
