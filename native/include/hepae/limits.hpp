// What a reader accepts before it allocates anything (docs/format/v1.md, section 14).
#pragma once

#include <cstdint>

namespace hepae::limits {

constexpr std::int64_t kFormatVersion = 1;
constexpr std::size_t kManifestBytes = std::size_t{1} << 24;
constexpr std::size_t kModelBytes = std::size_t{1} << 26;
constexpr std::size_t kReferenceBytes = std::size_t{1} << 26;
constexpr std::size_t kFeatures = 4096;
constexpr std::size_t kColumns = std::size_t{1} << 17;
constexpr std::size_t kEvents = std::size_t{1} << 24;
constexpr std::size_t kObjects = std::size_t{1} << 26;
constexpr std::size_t kPayloadBytes = std::size_t{1} << 30;
constexpr std::size_t kInsertedPoints = 64;
constexpr std::int64_t kLogTable = std::int64_t{1} << 20;
constexpr std::int64_t kTableEntries = std::int64_t{1} << 24;
constexpr std::int64_t kKnot = std::int64_t{1} << 17;
constexpr std::int64_t kRank = 1024;
constexpr std::size_t kLatents = 1024;
constexpr std::size_t kRowNumbers = std::size_t{1} << 18;
constexpr std::uint64_t kProducts = std::uint64_t{1} << 26;

} // namespace hepae::limits
