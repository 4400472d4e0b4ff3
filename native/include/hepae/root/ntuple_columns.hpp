// Numbers of the fields of an RNTuple.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ROOT/RNTupleDescriptor.hxx>
#include <ROOT/RNTupleReader.hxx>
#include <TFile.h>

#include "../dtype.hpp"
#include "../error.hpp"
#include "../limits.hpp"
#include "../values.hpp"
#include "ntuples.hpp"
#include "stored_columns.hpp"

namespace hepae::root {

class NTupleColumns final : public StoredColumns {
public:
   NTupleColumns(TFile &file, std::string path)
      : fPath(std::move(path)), fReader(ntuples::open(file, fPath)), fTitles(ntuples::open(file, "hepae_titles"))
   {
      require(fReader != nullptr, "an RNTuple is missing", fPath);
   }

   std::size_t entries() const override { return static_cast<std::size_t>(fReader->GetNEntries()); }

   /// Descriptions of fields; of files whose fields have none they stand in an RNTuple of their own.
   std::vector<std::pair<std::string, std::string>> titles() override
   {
      std::vector<std::pair<std::string, std::string>> out;
      const ROOT::RNTupleDescriptor &all = fReader->GetDescriptor();
      for (const ROOT::RFieldDescriptor &field : all.GetTopLevelFields())
         out.emplace_back(field.GetFieldName(), field.GetFieldDescription());
      if (!fTitles)
         return out;
      auto tree = fTitles->GetView<std::string>("tree"), field = fTitles->GetView<std::string>("field");
      auto title = fTitles->GetView<std::string>("title");
      for (std::uint64_t entry = 0; entry < fTitles->GetNEntries(); ++entry)
         if (tree(entry) == fPath)
            for (auto &[name, own] : out)
               own = name == field(entry) ? title(entry) : own;
      return out;
   }

   Dtype dtype(const std::string &name) override
   {
      static constexpr std::pair<const char *, Dtype> names[] = {
         {"bool", Dtype::kBool},           {"std::int8_t", Dtype::kInt8},     {"std::int16_t", Dtype::kInt16},
         {"std::int32_t", Dtype::kInt32},  {"std::int64_t", Dtype::kInt64},   {"std::uint8_t", Dtype::kUint8},
         {"std::uint16_t", Dtype::kUint16}, {"std::uint32_t", Dtype::kUint32}, {"std::uint64_t", Dtype::kUint64},
         {"float", Dtype::kFloat32},       {"double", Dtype::kFloat64}};
      std::string type = type_of(name);
      if (is_vector(type))
         type = type.substr(kVector.size(), type.size() - kVector.size() - 1);
      for (const auto &[known, dtype] : names)
         if (type == known)
            return dtype;
      throw CorruptionError("a field of a type that is not looked at: " + name);
   }

   std::vector<std::uint8_t> numbers(const std::string &name, std::size_t first, std::size_t last) override
   {
      require(!is_vector(type_of(name)), "a field of no single numbers", name);
      const Dtype kind = dtype(name);
      std::vector<std::uint8_t> out;
      if (kind == Dtype::kBool) {
         auto view = fReader->GetView<bool>(name);
         for (std::size_t entry = first; entry < last; ++entry)
            out.push_back(view(entry));
         return out;
      }
      with_type(kind, [&](auto number) {
         auto view = fReader->GetView<decltype(number)>(name);
         for (std::size_t entry = first; entry < last; ++entry)
            append(&view(entry), 1, out);
      });
      return out;
   }

   std::vector<std::int64_t> counts(const std::string &name, std::size_t first, std::size_t last) override
   {
      require(is_vector(type_of(name)), "a field without a count", name);
      auto view = fReader->GetCollectionView(name);
      std::vector<std::int64_t> out;
      for (std::size_t entry = first; entry < last; ++entry)
         out.push_back(static_cast<std::int64_t>(view(entry)));
      return out;
   }

   EventBranch counted(const std::string &name, std::size_t first, std::size_t last) override
   {
      if (!is_vector(type_of(name)))
         return {std::make_shared<std::vector<std::int64_t>>(last - first, 1), numbers(name, first, last)};
      EventBranch out{std::make_shared<std::vector<std::int64_t>>(counts(name, first, last)), {}};
      sum_of(*out.counts);
      const Dtype kind = dtype(name);
      require(kind != Dtype::kBool, "a field of a type that is not looked at", name);
      with_type(kind, [&](auto number) {
         auto view = fReader->GetView<std::vector<decltype(number)>>(name);
         for (std::size_t entry = first; entry < last; ++entry)
            append(view(entry).data(), view(entry).size(), out.numbers);
      });
      return out;
   }

   std::vector<std::uint8_t> bytes(const std::string &name, std::size_t entry) override
   {
      require(dtype(name) == Dtype::kUint8 && is_vector(type_of(name)), "a field without bytes", name);
      require(static_cast<std::size_t>(counts(name, entry, entry + 1)[0]) <= limits::kPayloadBytes, "a field of too many bytes", name);
      return fReader->GetView<std::vector<std::uint8_t>>(name)(entry);
   }

   std::vector<std::size_t> begins(const std::string &) override
   {
      std::vector<std::size_t> out;
      for (const ROOT::RClusterDescriptor &cluster : fReader->GetDescriptor().GetClusterIterable())
         out.push_back(static_cast<std::size_t>(cluster.GetFirstEntryIndex()));
      std::sort(out.begin(), out.end());
      return out;
   }

private:
   static constexpr std::string_view kVector = "std::vector<"; // ROOT's interpreter takes no text that is made at the start

   std::string fPath;
   std::unique_ptr<ROOT::RNTupleReader> fReader, fTitles;

   static bool is_vector(const std::string &type) { return type.compare(0, kVector.size(), kVector) == 0; }

   std::string type_of(const std::string &name) const
   {
      const ROOT::RNTupleDescriptor &all = fReader->GetDescriptor();
      const auto field = all.FindFieldId(name);
      require(field != ROOT::kInvalidDescriptorId, "a field is missing", name);
      return all.GetFieldDescriptor(field).GetTypeName();
   }

   template <class T>
   static void append(const T *numbers, std::size_t size, std::vector<std::uint8_t> &out)
   {
      const auto *bytes = reinterpret_cast<const std::uint8_t *>(numbers);
      out.insert(out.end(), bytes, bytes + size * sizeof(T));
   }
};

} // namespace hepae::root
