// Branches of trees with collections that are compressed with a model: what their titles say, and their numbers
// (docs/format/v1.md, sections 2, 3 and 13).
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <TBasket.h>
#include <TBranch.h>
#include <TBuffer.h>
#include <TLeaf.h>
#include <TTree.h>

#include "../bottleneck/events.hpp"
#include "../dtype.hpp"
#include "../error.hpp"
#include "../limits.hpp"
#include "../span.hpp"
#include "../values.hpp"

namespace hepae::root {

/// A branch of a compressed feature, by its title (section 3).
struct MarkedBranch {
   std::string name, branch, collection, feature, counter, codec; ///< `branch`: of the original
   Dtype dtype = Dtype::kFloat32;

   static bool is(const std::string &name, const std::string &title)
   {
      const std::string suffix = "__hepae";
      const bool named = name.size() > suffix.size() && name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0;
      return named && mark(title) != std::string::npos;
   }

   static MarkedBranch of(const std::string &name, const std::string &title)
   {
      MarkedBranch out;
      out.name = name;
      out.branch = name.substr(0, name.size() - 7);
      const std::string words = title.substr(mark(title));
      require(words.compare(0, 10, "[hepae v1 ") == 0, "a branch of another version of the format", name);
      out.collection = word(words, " collection=");
      out.feature = word(words, " feature=");
      out.counter = word(words, " counter=");
      out.codec = word(words, " codec=");
      out.dtype = dtype_of(word(words, " dtype="));
      return out;
   }

private:
   static std::size_t mark(const std::string &title)
   {
      const bool closed = !title.empty() && title.back() == ']';
      return closed ? title.rfind("[hepae v") : std::string::npos;
   }

   static std::string word(const std::string &words, const std::string &key)
   {
      const std::size_t at = words.find(key);
      require(at != std::string::npos, "a title without a word of the format", key);
      return words.substr(at + key.size(), words.find_first_of(" ]", at + key.size()) - at - key.size());
   }
};

namespace branches {

/// The branch of this name, which has one leaf.
inline TBranch &of(TTree &tree, const std::string &name)
{
   TBranch *branch = tree.GetBranch(name.c_str());
   require(branch && branch->GetListOfLeaves()->GetEntriesFast() == 1, "a branch is missing", name);
   return *branch;
}

inline TLeaf &leaf(TBranch &branch)
{
   return *static_cast<TLeaf *>(branch.GetListOfLeaves()->At(0));
}

inline Dtype dtype(TBranch &branch)
{
   static constexpr std::pair<const char *, Dtype> names[] = {
      {"Bool_t", Dtype::kBool},      {"Char_t", Dtype::kInt8},      {"Short_t", Dtype::kInt16},  {"Int_t", Dtype::kInt32},
      {"Long64_t", Dtype::kInt64},   {"UChar_t", Dtype::kUint8},    {"UShort_t", Dtype::kUint16}, {"UInt_t", Dtype::kUint32},
      {"ULong64_t", Dtype::kUint64}, {"Float_t", Dtype::kFloat32}, {"Double_t", Dtype::kFloat64}};
   for (const auto &[name, type] : names)
      if (std::strcmp(leaf(branch).GetTypeName(), name) == 0)
         return type;
   throw CorruptionError(std::string("a branch of a type that is not looked at: ") + branch.GetName());
}

/// The numbers of a branch with one an entry, as their bytes.
inline std::vector<std::uint8_t> flat(TTree &tree, const std::string &name, std::size_t first, std::size_t last)
{
   TBranch &branch = of(tree, name);
   require(!leaf(branch).GetLeafCount() && leaf(branch).GetLenStatic() == 1, "a branch of no single numbers", name);
   const std::size_t width = size_of(dtype(branch));
   std::vector<std::uint8_t> out;
   std::uint64_t number = 0;
   branch.SetAddress(&number);
   for (std::size_t entry = first; entry < last; ++entry) {
      require(branch.GetEntry(static_cast<Long64_t>(entry)) == static_cast<Int_t>(width), "a branch cannot be read", name);
      const auto *bytes = reinterpret_cast<const std::uint8_t *>(&number);
      out.insert(out.end(), bytes, bytes + width);
   }
   branch.ResetAddress();
   return out;
}

/// The bytes of a byte branch in an entry.
inline std::vector<std::uint8_t> bytes(TTree &tree, const std::string &name, std::size_t entry)
{
   TBranch &branch = of(tree, name);
   TLeaf *count = leaf(branch).GetLeafCount();
   require(count && dtype(branch) == Dtype::kUint8, "a branch without bytes", name);
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

/// Calls a function with the first and last entry and the bytes of each basket that entries are in. Bytes are those of numbers,
/// big-endian, one entry after the other.
template <class Function>
void for_baskets(TTree &tree, TBranch &branch, std::size_t first, std::size_t last, const Function &function)
{
   const Long64_t *begins = branch.GetBasketEntry();
   for (Int_t i = 0; i <= branch.GetWriteBasket(); ++i) {
      const Long64_t begin = begins[i], end = i < branch.GetWriteBasket() ? begins[i + 1] : tree.GetEntries();
      if (begin < 0 || end <= static_cast<Long64_t>(first) || begin >= static_cast<Long64_t>(last) || begin >= end)
         continue;
      TBasket *basket = branch.GetBasket(i);
      require(basket && basket->GetBufferRef(), "a basket cannot be read", branch.GetName());
      const Int_t key = basket->GetKeylen(), size = basket->GetLast() - key;
      require(size >= 0 && basket->GetLast() <= basket->GetBufferRef()->BufferSize(), "a basket is cut short", branch.GetName());
      const Bytes bytes(reinterpret_cast<const std::uint8_t *>(basket->GetBufferRef()->Buffer()) + key, static_cast<std::size_t>(size));
      function(static_cast<std::size_t>(begin), static_cast<std::size_t>(end), bytes);
   }
   branch.DropBaskets("all");
}

/// Big-endian numbers, behind those that are there.
inline void append_turned(Bytes from, std::size_t width, std::vector<std::uint8_t> &out)
{
   const std::size_t at = out.size();
   out.resize(at + from.size());
   for (std::size_t i = 0; i < from.size(); i += width)
      std::reverse_copy(from.begin() + i, from.begin() + i + width, out.begin() + static_cast<std::ptrdiff_t>(at + i));
}

/// The numbers of a branch with one an entry, as their bytes, basket by basket.
inline std::vector<std::uint8_t> numbers(TTree &tree, const std::string &name, std::size_t first, std::size_t last)
{
   TBranch &branch = of(tree, name);
   require(!leaf(branch).GetLeafCount() && leaf(branch).GetLenStatic() == 1, "a branch of no single numbers", name);
   const std::size_t width = size_of(dtype(branch));
   std::vector<std::uint8_t> out;
   for_baskets(tree, branch, first, last, [&](std::size_t begin, std::size_t end, Bytes bytes) {
      require(bytes.size() == (end - begin) * width, "a basket of another length", name);
      const std::size_t from = std::max(first, begin), to = std::min(last, end);
      append_turned(bytes.part((from - begin) * width, (to - from) * width), width, out);
   });
   require(out.size() == (last - first) * width, "a branch without all entries", name);
   return out;
}

/// The same as integers of 64 bits.
inline std::vector<std::int64_t> integers(TTree &tree, const std::string &name, std::size_t first, std::size_t last)
{
   Values values;
   values.dtype = dtype(of(tree, name));
   const std::vector<std::uint8_t> bytes = numbers(tree, name, first, last);
   values.bytes.assign(bytes.begin(), bytes.end());
   return to_int64(values);
}

/// The numbers of a branch that has a counter; those that have one an entry count as such.
inline EventBranch counted(TTree &tree, const std::string &name, std::size_t first, std::size_t last)
{
   TBranch &branch = of(tree, name);
   TLeaf *counter = leaf(branch).GetLeafCount();
   if (!counter)
      return {std::make_shared<std::vector<std::int64_t>>(last - first, 1), numbers(tree, name, first, last)};
   const std::string counts = counter->GetBranch()->GetName();
   const std::size_t width = size_of(dtype(branch));
   EventBranch out{std::make_shared<std::vector<std::int64_t>>(integers(tree, counts, first, last)), {}};
   for_baskets(tree, branch, first, last, [&](std::size_t begin, std::size_t end, Bytes bytes) {
      const std::vector<std::int64_t> own = integers(tree, counts, begin, end);
      const Span<const std::int64_t> all(own);
      require(bytes.size() == sum_of(all) * width, "a basket of another length", name);
      const std::size_t from = std::max(first, begin) - begin, to = std::min(last, end) - begin;
      const std::size_t before = sum_of(all.part(0, from)), inside = sum_of(all.part(from, to - from));
      append_turned(bytes.part(before * width, inside * width), width, out.numbers);
   });
   require(out.numbers.size() == sum_of(*out.counts) * width, "a branch without all entries", name);
   return out;
}

} // namespace branches

} // namespace hepae::root
