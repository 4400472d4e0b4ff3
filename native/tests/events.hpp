// Cases of events (case.hpp): a model, and what branches hold of events that name it.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <hepae/bottleneck/events.hpp>

#include "case.hpp"

namespace hepae_tests {

struct EventCase {
   Data model, counts, checks;
   std::uint64_t number = 0;
   std::pair<Data, Data> escapes, latents;   ///< counts as int64, and numbers
   std::vector<std::pair<Data, Data>> codes; ///< in the order of the network
};

inline EventCase event_case(Case &file)
{
   const auto branch = [&] {
      Data counts = file.data();
      return std::pair(std::move(counts), file.data());
   };
   EventCase out;
   out.model = file.data();
   out.number = file.number();
   out.counts = file.data();
   out.checks = file.data();
   out.escapes = branch();
   out.latents = branch();
   for (std::uint64_t left = file.number(); left > 0; --left)
      out.codes.push_back(branch());
   return out;
}

template <class T>
std::vector<T> numbers(const Data &data)
{
   std::vector<T> out(data.size() / sizeof(T));
   if (!out.empty())
      std::memcpy(out.data(), data.data(), out.size() * sizeof(T));
   return out;
}

inline hepae::EventBranch branch_of(const std::pair<Data, Data> &given)
{
   return {std::make_shared<std::vector<std::int64_t>>(numbers<std::int64_t>(given.first)), given.second};
}

inline hepae::StoredEvents stored(const EventCase &given, const hepae::BottleneckCodec &codec)
{
   hepae::StoredEvents out;
   out.counts = std::make_shared<std::vector<std::int64_t>>(numbers<std::int64_t>(given.counts));
   out.model = static_cast<std::uint32_t>(given.number);
   out.checks = numbers<std::uint32_t>(given.checks);
   out.escapes = branch_of(given.escapes);
   out.latents = branch_of(given.latents);
   hepae::require(codec.spec().columns.size() == given.codes.size(), "a model of other features");
   for (std::size_t i = 0; i < given.codes.size(); ++i)
      out.codes[codec.spec().columns[i].name] = branch_of(given.codes[i]);
   return out;
}

} // namespace hepae_tests
