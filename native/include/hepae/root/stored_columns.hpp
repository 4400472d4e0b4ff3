// What a tree or an RNTuple holds of collections that are compressed with a model (docs/format/v1.md, sections 2, 3 and 13).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "../bottleneck/events.hpp"
#include "../dtype.hpp"
#include "../error.hpp"
#include "../limits.hpp"
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

/// Branches of a tree, or fields of an RNTuple, by their names. Each thread has its own.
class StoredColumns {
public:
   virtual ~StoredColumns() = default;

   virtual std::size_t entries() const = 0;

   /// Names, and titles.
   virtual std::vector<std::pair<std::string, std::string>> titles() = 0;

   /// Of the numbers, of which an entry may have many.
   virtual Dtype dtype(const std::string &name) = 0;

   /// The numbers of a column with one an entry, as their bytes.
   virtual std::vector<std::uint8_t> numbers(const std::string &name, std::size_t first, std::size_t last) = 0;

   /// How many numbers entries have.
   virtual std::vector<std::int64_t> counts(const std::string &name, std::size_t first, std::size_t last) = 0;

   /// Those of a column with any number an entry; one an entry counts as such.
   virtual EventBranch counted(const std::string &name, std::size_t first, std::size_t last) = 0;

   /// The bytes of an entry.
   virtual std::vector<std::uint8_t> bytes(const std::string &name, std::size_t entry) = 0;

   /// Entries from which on a column is read at little cost: there begins a basket, or a cluster.
   virtual std::vector<std::size_t> begins(const std::string &name) = 0;

   /// The columns of compressed features.
   std::vector<MarkedBranch> marked()
   {
      std::vector<MarkedBranch> out;
      for (const auto &[name, title] : titles())
         if (MarkedBranch::is(name, title))
            out.push_back(MarkedBranch::of(name, title));
      return out;
   }

   /// `numbers` as integers of 64 bits.
   std::vector<std::int64_t> integers(const std::string &name, std::size_t first, std::size_t last)
   {
      Values values;
      values.dtype = dtype(name);
      const std::vector<std::uint8_t> bytes = numbers(name, first, last);
      values.bytes.assign(bytes.begin(), bytes.end());
      return to_int64(values);
   }
};

} // namespace hepae::root
