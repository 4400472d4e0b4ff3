// Headers of RNTuples: two envelopes, whose checksums are made right, and their columns, all of them replaced.
#include "target.hpp"

#include <hepae/ntuple_header.hpp>

#include <vector>

namespace {

/// The last 8 bytes of an envelope become its checksum, so that what is in it is looked at.
void seal(std::vector<std::uint8_t> &bytes, std::size_t first, std::size_t size)
{
   hepae::Checksum checksum;
   checksum.add({bytes.data() + first, size - 8});
   for (std::size_t i = 0; i < 8; ++i)
      bytes[first + size - 8 + i] = static_cast<std::uint8_t>(checksum.value() >> (8 * i));
}

} // namespace

void hepae_fuzz::decode(hepae::Bytes data)
{
   std::vector<std::uint8_t> bytes(data.begin(), data.end());
   if (bytes.size() < 16)
      return;
   const std::uint64_t size = hepae::xxh3::read64(bytes.data()) >> 16;
   if (size >= 16 && bytes.size() >= 16 && size <= bytes.size() - 16) {
      seal(bytes, 0, static_cast<std::size_t>(size));
      seal(bytes, static_cast<std::size_t>(size), bytes.size() - static_cast<std::size_t>(size));
   }
   const hepae::ntuple::Header header{hepae::Bytes(bytes)};
   hepae::StoredTree tree;
   tree.schema.tables = {{"", 0, 0}, {"rows", 0, 0}};
   tree.schema.columns = {{"column", hepae::Dtype::kFloat32, {}, 1}};
   tree.stored_fields.emplace_back();
   for (std::size_t column = 0; column < header.columns(); column += 2)
      tree.stored_fields[0].columns.emplace_back(static_cast<std::int64_t>(column), 0);
   hepae::show_fields(tree, hepae::Bytes(bytes));
}
