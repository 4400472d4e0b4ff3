// What one thread has open: a file, and in it the chunk of the entry that it is at.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "../tables.hpp"
#include "payload_file.hpp"
#include "types.hpp"

namespace hepae::root {

/// The files of a data set, and at which entry each begins.
struct DataSet {
   std::vector<std::unique_ptr<FileIndex>> files;
   std::vector<std::size_t> first{0};

   std::size_t entries() const { return first.back(); }

   void add(std::unique_ptr<FileIndex> file)
   {
      first.push_back(first.back() + file->entries());
      files.push_back(std::move(file));
      if (files.size() > 1)
         files.back()->take_file(); // a data set has more files than a process may have open
   }
};

/// The numbers of a column in the chunk that is open, and where the entries begin among them.
struct Bound {
   const std::uint8_t *data = nullptr;
   std::size_t width = 0;                             ///< bytes of one number
   std::size_t each = 1;                              ///< numbers of a row
   const std::vector<std::size_t> *edges = nullptr; ///< rows, by entry; none where there is one row per entry
   const std::vector<std::size_t> *inner = nullptr; ///< numbers, by row, of vectors in vectors
};

class Slot {
public:
   explicit Slot(const DataSet &data) : fData(&data) {}

   /// Columns that will be read: their bytes are fetched together.
   void expect(const ColumnView &column) { fExpected.push_back(column); }

   /// The place of an entry in its chunk, which is opened if it is not.
   std::size_t place_of(std::size_t entry)
   {
      if (entry < fFirst || entry >= fLast)
         open(entry);
      return entry - fFirst;
   }

   /// Another number for each chunk that is opened.
   std::size_t opened() const { return fOpened; }

   /// A column of the chunk that is open.
   Bound bind(const ColumnView &column)
   {
      const std::size_t number = number_of(column);
      if (!fExpectedRead)
         read_expected();
      const Values &values = fTables->column(number);
      const Column &spec = fRow->schema->schema().columns[number];
      Bound out{values.bytes.data(), size_of(values.dtype), spec.width()};
      if (column.seen == Dtype::kBool && values.dtype != Dtype::kBool)
         out.data = flags_of(number, values);
      if (!values.levels.empty())
         out.edges = &edges_of(values.levels[0]);
      if (values.levels.size() > 1)
         out.inner = &edges_of(values.levels[1]);
      return out;
   }

private:
   const DataSet *fData;
   std::vector<ColumnView> fExpected;
   bool fExpectedRead = false;
   std::unique_ptr<PayloadFile> fFile;
   std::unique_ptr<OpenTables> fTables;
   const Row *fRow = nullptr;
   std::size_t fFirst = 0, fLast = 0, fOpened = 0;
   std::map<Counts, std::vector<std::size_t>> fEdges;
   std::map<std::size_t, std::vector<std::uint8_t>> fFlags;

   void open(std::size_t entry)
   {
      const auto behind = std::upper_bound(fData->first.begin(), fData->first.end(), entry);
      require(behind != fData->first.end(), "an entry beyond the end");
      const auto number = static_cast<std::size_t>(behind - fData->first.begin()) - 1;
      const FileIndex &index = *fData->files[number];
      if (!fFile || &fFile->index() != &index)
         fFile = std::make_unique<PayloadFile>(index);
      const std::size_t start = fData->first[number];
      open_row(*std::partition_point(index.rows().begin(), index.rows().end(),
                                     [=](const Row &row) { return row.last <= entry - start; }),
               start);
   }

   void open_row(const Row &row, std::size_t start)
   {
      fFirst = fLast = 0;
      fFile->check_markers(row);
      const auto fetch = [this, &row](const std::vector<std::size_t> &streams) { return fFile->fetch(row, streams); };
      fTables = std::make_unique<OpenTables>(*row.schema, row.last - row.first, row.chunk, fetch);
      fRow = &row;
      fEdges.clear();
      fFlags.clear();
      fExpectedRead = false;
      fFirst = start + row.first;
      fLast = start + row.last;
      ++fOpened;
   }

   void read_expected()
   {
      std::vector<std::size_t> numbers;
      for (const ColumnView &column : fExpected)
         numbers.push_back(number_of(column));
      fTables->expect(numbers);
      fExpectedRead = true;
   }

   std::size_t number_of(const ColumnView &column) const
   {
      const StoredTree &tree = fRow->schema->tree();
      for (const StoredBranch &branch : tree.branches)
         if (tree.path_of(branch) == column.path) {
            const auto view = column.part < branch.columns.size() ? types::view_of(tree, branch, column.part)
                                                                  : std::nullopt;
            require(view && view->seen == column.seen && view->form == column.form, "a branch of another type",
                    column.path);
            return branch.columns[column.part];
         }
      throw CorruptionError("a branch is compressed in some chunks only: " + column.path);
   }

   const std::vector<std::size_t> &edges_of(const Counts &counts)
   {
      std::vector<std::size_t> &edges = fEdges[counts];
      if (edges.empty()) {
         edges.reserve(counts->size() + 1);
         edges.push_back(0);
         for (std::int64_t count : *counts)
            edges.push_back(edges.back() + static_cast<std::size_t>(count));
      }
      return edges;
   }

   /// Booleans are bytes of which all patterns are kept; C++ has two.
   const std::uint8_t *flags_of(std::size_t number, const Values &values)
   {
      std::vector<std::uint8_t> &flags = fFlags[number];
      if (flags.empty())
         for (std::uint8_t byte : values.bytes)
            flags.push_back(byte != 0);
      return flags.data();
   }
};

} // namespace hepae::root
