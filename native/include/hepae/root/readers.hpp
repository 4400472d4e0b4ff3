// Column readers: values of the entry that an event loop is at. A column is decoded when it is first asked for in a chunk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ROOT/RDF/RColumnReaderBase.hxx>
#include <ROOT/RVec.hxx>

#include "../values.hpp"
#include "slot.hpp"
#include "types.hpp"

namespace hepae::root {

/// An entry of vectors in vectors, or of texts: each row is an object of its own, as in the original.
class Rows {
public:
   virtual ~Rows() = default;
   virtual void *filled(const std::uint8_t *data, const std::size_t *edges, std::size_t rows) = 0;
};

template <class Row, class Number>
class RowsOf final : public Rows {
public:
   void *filled(const std::uint8_t *data, const std::size_t *edges, std::size_t rows) override
   {
      const auto *numbers = reinterpret_cast<const Number *>(data);
      fRows.resize(rows);
      for (std::size_t i = 0; i < rows; ++i)
         fRows[i].assign(numbers + edges[i], numbers + edges[i + 1]);
      return &fRows;
   }

private:
   ROOT::VecOps::RVec<Row> fRows;
};

inline std::unique_ptr<Rows> rows_of(const ColumnView &column)
{
   if (column.form == Form::kTexts)
      return std::make_unique<RowsOf<std::string, char>>();
   if (column.form != Form::kVectors)
      return nullptr;
   using ROOT::VecOps::RVec;
   std::unique_ptr<Rows> out;
   if (column.seen == Dtype::kBool) { // a byte of storage, a bit of a vector
      out = std::make_unique<RowsOf<std::vector<bool>, std::uint8_t>>();
      if (column.of_ntuple)
         out = std::make_unique<RowsOf<RVec<bool>, std::uint8_t>>();
      return out;
   }
   with_type(column.seen, [&](auto number) {
      using Number = decltype(number);
      if (column.of_ntuple)
         out = std::make_unique<RowsOf<RVec<Number>, Number>>();
      else
         out = std::make_unique<RowsOf<std::vector<Number>, Number>>();
   });
   return out;
}

class ColumnReader : public ROOT::Detail::RDF::RColumnReaderBase {
public:
   ColumnReader(Slot &slot, ColumnView column) : fSlot(&slot), fColumn(std::move(column)), fRows(rows_of(fColumn))
   {
      slot.expect(fColumn);
   }

private:
   Slot *fSlot;
   ColumnView fColumn;
   std::unique_ptr<Rows> fRows;
   Bound fBound;
   std::size_t fOpened = 0;
   /// A view; the layout of an RVec does not depend on what it holds, and its size is in numbers.
   ROOT::VecOps::RVec<std::byte> fVector;
   std::string fText;

   void *GetImpl(Long64_t entry) override
   {
      const std::size_t place = fSlot->place_of(static_cast<std::size_t>(entry));
      if (fOpened != fSlot->opened()) {
         fBound = fSlot->bind(fColumn);
         fOpened = fSlot->opened();
      }
      const std::size_t first = fBound.edges ? (*fBound.edges)[place] : place;
      const std::size_t last = fBound.edges ? (*fBound.edges)[place + 1] : place + 1;
      if (fRows)
         return fRows->filled(fBound.data, fBound.inner->data() + first, last - first);
      // RDataFrame takes values by pointers to what is not const, and does not write
      auto *data = const_cast<std::uint8_t *>(fBound.data) + first * fBound.each * fBound.width;
      return value(data, (last - first) * fBound.each);
   }

   void *value(std::uint8_t *data, std::size_t numbers)
   {
      switch (fColumn.form) {
      case Form::kNumber: return data;
      case Form::kText: fText.assign(reinterpret_cast<const char *>(data), numbers); return &fText;
      default: break;
      }
      ROOT::VecOps::RVec<std::byte> view(reinterpret_cast<std::byte *>(data), numbers);
      std::swap(fVector, view);
      return &fVector;
   }
};

} // namespace hepae::root
