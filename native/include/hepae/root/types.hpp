// Columns as RDataFrame sees them: names and types in C++.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <typeinfo>
#include <vector>

#include <ROOT/RVec.hxx>
#include <RtypesCore.h>

#include "../dtype.hpp"
#include "../layout.hpp"
#include "../schema.hpp"

namespace hepae::root {

/// How an entry of a column is handed out.
enum class Form { kNumber, kVector, kText, kVectors, kTexts };

/// A column: the part of a branch that it is, and its type.
struct ColumnView {
   std::string name, path;
   std::size_t part = 0;
   Dtype seen = Dtype::kFloat32; ///< what an analysis sees, where the numbers stored are others
   Form form = Form::kNumber;
   bool of_ntuple = false; ///< types are those that ROOT has from RNTuples then
};

inline const char *type_name(Dtype type)
{
   // as ROOT names the types of leaves; in the order of Dtype
   static constexpr const char *names[] = {"bool",          "Char_t",   "Short_t", "Int_t",    "Long64_t", "UChar_t",
                                           "UShort_t",      "UInt_t",   "ULong64_t", "", "Float_t", "Double_t"};
   return names[static_cast<std::size_t>(type)];
}

/// RNTuples have other integers of 64 bits than trees.
inline std::string number_name(const ColumnView &column)
{
   if (column.of_ntuple && column.seen == Dtype::kInt64)
      return "std::int64_t";
   if (column.of_ntuple && column.seen == Dtype::kUint64)
      return "std::uint64_t";
   return type_name(column.seen);
}

inline std::string type_name(const ColumnView &column)
{
   const std::string number = number_name(column);
   switch (column.form) {
   case Form::kNumber: return number;
   case Form::kText: return "std::string";
   case Form::kTexts: return "ROOT::VecOps::RVec<std::string>";
   case Form::kVectors: // as of the original
      return "ROOT::VecOps::RVec<" + std::string(column.of_ntuple ? "ROOT::VecOps::RVec<" : "std::vector<") + number + ">>";
   case Form::kVector: break;
   }
   return "ROOT::VecOps::RVec<" + number + ">";
}

namespace types {

template <class T>
bool is(const std::type_info &type, const ColumnView &column)
{
   if (column.form == Form::kVectors && column.of_ntuple)
      return type == typeid(ROOT::VecOps::RVec<ROOT::VecOps::RVec<T>>);
   if (column.form == Form::kVectors)
      return type == typeid(ROOT::VecOps::RVec<std::vector<T>>);
   return type == (column.form == Form::kNumber ? typeid(T) : typeid(ROOT::VecOps::RVec<T>));
}

} // namespace types

/// Whether a type that is asked for has the layout in memory of the column.
inline bool is_type(const std::type_info &type, const ColumnView &column)
{
   const Form form = column.form;
   if (form == Form::kText || form == Form::kTexts)
      return type == (form == Form::kText ? typeid(std::string) : typeid(ROOT::VecOps::RVec<std::string>));
   switch (column.seen) {
   case Dtype::kBool: return types::is<bool>(type, column);
   case Dtype::kInt8: return types::is<char>(type, column) || types::is<signed char>(type, column);
   case Dtype::kInt16: return types::is<short>(type, column);
   case Dtype::kInt32: return types::is<int>(type, column);
   case Dtype::kInt64: return types::is<long>(type, column) || types::is<long long>(type, column);
   case Dtype::kUint8: return types::is<unsigned char>(type, column);
   case Dtype::kUint16: return types::is<unsigned short>(type, column);
   case Dtype::kUint32: return types::is<unsigned int>(type, column);
   case Dtype::kUint64: return types::is<unsigned long>(type, column) || types::is<unsigned long long>(type, column);
   case Dtype::kFloat32: return types::is<float>(type, column);
   case Dtype::kFloat64: return types::is<double>(type, column);
   case Dtype::kFloat16: return false;
   }
   return false;
}

namespace types {

inline std::string last_of(const std::string &path)
{
   const std::size_t slash = path.rfind('/');
   return slash == std::string::npos ? path : path.substr(slash + 1);
}

/// The column of a part; none where it has more levels than two, arrays in its vectors, or numbers that are coded.
inline std::optional<ColumnView> view_of(const StoredTree &tree, const StoredBranch &branch, std::size_t number)
{
   const std::vector<Part> &parts = tree.layout_of(branch).parts;
   const Part &part = parts[number];
   const std::string &path = tree.path_of(branch);
   const bool nested = part.levels == 2;
   if (part.levels > 2 || (nested && !part.field.shape.empty()))
      return std::nullopt;
   if (part.field.coding || *part.field.dtype == Dtype::kFloat16)
      return std::nullopt;
   ColumnView out{last_of(path), path, number, *part.field.dtype, Form::kNumber, !tree.stored_fields.empty()};
   if (parts.size() > 1)
      out.name += "." + part.field.name;
   if (!part.field.seen.empty())
      out.seen = dtype_of(part.field.seen);
   if (part.text)
      out.form = nested ? Form::kTexts : Form::kText;
   else if (nested)
      out.form = Form::kVectors;
   else if (part.levels == 1 || !part.field.shape.empty())
      out.form = Form::kVector;
   const bool same = size_of(out.seen) == size_of(*part.field.dtype);
   return same ? std::optional(out) : std::nullopt;
}

} // namespace types

/// The columns of a schema that can be read.
inline std::vector<ColumnView> views_of(const StoredTree &tree)
{
   std::vector<ColumnView> out;
   for (const StoredBranch &branch : tree.branches)
      for (std::size_t part = 0; part < branch.columns.size(); ++part)
         if (const auto view = types::view_of(tree, branch, part))
            out.push_back(*view);
   return out;
}

} // namespace hepae::root
