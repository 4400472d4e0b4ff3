// Column readers: values of the entry that an event loop is at. A column is decoded when it is first asked for in a chunk.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include <ROOT/RDF/RColumnReaderBase.hxx>
#include <ROOT/RVec.hxx>

#include "slot.hpp"
#include "types.hpp"

namespace hepae::root {

class ColumnReader : public ROOT::Detail::RDF::RColumnReaderBase {
public:
   ColumnReader(Slot &slot, ColumnView column) : fSlot(&slot), fColumn(std::move(column)) { slot.expect(fColumn); }

private:
   Slot *fSlot;
   ColumnView fColumn;
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
      // RDataFrame takes values by pointers to what is not const, and does not write
      auto *data = const_cast<std::uint8_t *>(fBound.data) + first * fBound.each * fBound.width;
      return value(data, (last - first) * fBound.each);
   }

   void *value(std::uint8_t *data, std::size_t numbers)
   {
      switch (fColumn.form) {
      case Form::kNumber: return data;
      case Form::kText: fText.assign(reinterpret_cast<const char *>(data), numbers); return &fText;
      case Form::kVector: break;
      }
      ROOT::VecOps::RVec<std::byte> view(reinterpret_cast<std::byte *>(data), numbers);
      std::swap(fVector, view);
      return &fVector;
   }
};

} // namespace hepae::root
