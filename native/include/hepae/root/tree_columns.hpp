// Numbers of the branches of a tree.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <TBasket.h>
#include <TBranch.h>
#include <TBuffer.h>
#include <TLeaf.h>
#include <TTree.h>

#include "../error.hpp"
#include "../limits.hpp"
#include "../span.hpp"
#include "stored_columns.hpp"

namespace hepae::root {

/// Reads baskets as they are: numbers in big-endian order, one entry after the other.
class TreeColumns final : public StoredColumns {
public:
   explicit TreeColumns(TTree &tree) : fTree(&tree) {}

   std::size_t entries() const override { return static_cast<std::size_t>(fTree->GetEntries()); }

   std::vector<std::pair<std::string, std::string>> titles() override
   {
      std::vector<std::pair<std::string, std::string>> out;
      for (TObject *one : *fTree->GetListOfBranches())
         out.emplace_back(one->GetName(), one->GetTitle());
      return out;
   }

   Dtype dtype(const std::string &name) override
   {
      static constexpr std::pair<const char *, Dtype> names[] = {
         {"Bool_t", Dtype::kBool},      {"Char_t", Dtype::kInt8},      {"Short_t", Dtype::kInt16},  {"Int_t", Dtype::kInt32},
         {"Long64_t", Dtype::kInt64},   {"UChar_t", Dtype::kUint8},    {"UShort_t", Dtype::kUint16}, {"UInt_t", Dtype::kUint32},
         {"ULong64_t", Dtype::kUint64}, {"Float_t", Dtype::kFloat32}, {"Double_t", Dtype::kFloat64}};
      const char *type = leaf(of(name)).GetTypeName();
      for (const auto &[known, dtype] : names)
         if (std::strcmp(type, known) == 0)
            return dtype;
      throw CorruptionError("a branch of a type that is not looked at: " + name);
   }

   std::vector<std::uint8_t> numbers(const std::string &name, std::size_t first, std::size_t last) override
   {
      TBranch &branch = of(name);
      require(!leaf(branch).GetLeafCount() && leaf(branch).GetLenStatic() == 1, "a branch of no single numbers", name);
      const std::size_t width = size_of(dtype(name));
      std::vector<std::uint8_t> out;
      for_baskets(branch, first, last, [&](std::size_t begin, std::size_t end, Bytes bytes) {
         require(bytes.size() == (end - begin) * width, "a basket of another length", name);
         const std::size_t from = std::max(first, begin), to = std::min(last, end);
         append_turned(bytes.part((from - begin) * width, (to - from) * width), width, out);
      });
      require(out.size() == (last - first) * width, "a branch without all entries", name);
      return out;
   }

   std::vector<std::int64_t> counts(const std::string &name, std::size_t first, std::size_t last) override
   {
      const TLeaf *counter = leaf(of(name)).GetLeafCount();
      require(counter, "a branch without a counter", name);
      Known known{counter->GetBranch()->GetName(), first, last};
      if (known != fKnown) {
         fCounts = integers(std::get<0>(known), first, last);
         fKnown = std::move(known);
      }
      return fCounts;
   }

   EventBranch counted(const std::string &name, std::size_t first, std::size_t last) override
   {
      TBranch &branch = of(name);
      if (!leaf(branch).GetLeafCount())
         return {std::make_shared<std::vector<std::int64_t>>(last - first, 1), numbers(name, first, last)};
      const std::size_t width = size_of(dtype(name));
      EventBranch out{std::make_shared<std::vector<std::int64_t>>(counts(name, first, last)), {}};
      for_baskets(branch, first, last, [&](std::size_t begin, std::size_t end, Bytes bytes) {
         const std::vector<std::int64_t> own = counts(name, begin, end);
         const Span<const std::int64_t> all(own);
         require(bytes.size() == sum_of(all) * width, "a basket of another length", name);
         const std::size_t from = std::max(first, begin) - begin, to = std::min(last, end) - begin;
         const std::size_t before = sum_of(all.part(0, from)), inside = sum_of(all.part(from, to - from));
         append_turned(bytes.part(before * width, inside * width), width, out.numbers);
      });
      require(out.numbers.size() == sum_of(*out.counts) * width, "a branch without all entries", name);
      return out;
   }

   std::vector<std::uint8_t> bytes(const std::string &name, std::size_t entry) override
   {
      TBranch &branch = of(name);
      TLeaf *count = leaf(branch).GetLeafCount();
      require(count && dtype(name) == Dtype::kUint8, "a branch without bytes", name);
      count->GetBranch()->GetEntry(static_cast<Long64_t>(entry));
      const double size = count->GetValue();
      require(size >= 0 && size <= static_cast<double>(limits::kPayloadBytes), "a branch of too many bytes", name);
      std::vector<std::uint8_t> out(static_cast<std::size_t>(size) + 1); // never empty: it is written to
      branch.SetAddress(out.data());
      branch.GetEntry(static_cast<Long64_t>(entry));
      branch.ResetAddress();
      out.pop_back();
      return out;
   }

   std::vector<std::size_t> begins(const std::string &name) override
   {
      const TBranch &branch = of(name);
      std::vector<std::size_t> out;
      for (Int_t i = 0; i <= branch.GetWriteBasket(); ++i)
         if (branch.GetBasketEntry()[i] >= 0)
            out.push_back(static_cast<std::size_t>(branch.GetBasketEntry()[i]));
      return out;
   }

private:
   using Known = std::tuple<std::string, std::size_t, std::size_t>;

   TTree *fTree;
   Known fKnown; ///< counts that were read last: the branches of a collection have one counter
   std::vector<std::int64_t> fCounts;

   /// The branch of this name, which has one leaf.
   TBranch &of(const std::string &name) const
   {
      TBranch *branch = fTree->GetBranch(name.c_str());
      require(branch && branch->GetListOfLeaves()->GetEntriesFast() == 1, "a branch is missing", name);
      return *branch;
   }

   static TLeaf &leaf(TBranch &branch) { return *static_cast<TLeaf *>(branch.GetListOfLeaves()->At(0)); }

   /// Calls a function with the first entry, the one behind the last, and the bytes of each basket that entries are in.
   template <class Function>
   void for_baskets(TBranch &branch, std::size_t first, std::size_t last, const Function &function) const
   {
      const Long64_t *begins = branch.GetBasketEntry();
      for (Int_t i = 0; i <= branch.GetWriteBasket(); ++i) {
         const Long64_t begin = begins[i], end = i < branch.GetWriteBasket() ? begins[i + 1] : fTree->GetEntries();
         if (begin < 0 || end <= static_cast<Long64_t>(first) || begin >= static_cast<Long64_t>(last) || begin >= end)
            continue;
         TBasket *basket = branch.GetBasket(i);
         require(basket && basket->GetBufferRef(), "a basket cannot be read", branch.GetName());
         const Int_t key = basket->GetKeylen(), size = basket->GetLast() - key;
         require(size >= 0 && basket->GetLast() <= basket->GetBufferRef()->BufferSize(), "a basket is cut short", branch.GetName());
         const auto *data = reinterpret_cast<const std::uint8_t *>(basket->GetBufferRef()->Buffer()) + key;
         function(static_cast<std::size_t>(begin), static_cast<std::size_t>(end), Bytes(data, static_cast<std::size_t>(size)));
      }
      branch.DropBaskets("all");
   }

   /// Big-endian numbers, behind those that are there.
   static void append_turned(Bytes from, std::size_t width, std::vector<std::uint8_t> &out)
   {
      const std::size_t at = out.size();
      out.resize(at + from.size());
      for (std::size_t i = 0; i < from.size(); i += width)
         std::reverse_copy(from.begin() + i, from.begin() + i + width, out.begin() + static_cast<std::ptrdiff_t>(at + i));
   }
};

} // namespace hepae::root
