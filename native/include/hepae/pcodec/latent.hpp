// One of the numbers that a packed integer is made of, in batches: the bins of a batch first, then the offsets in them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "../fields.hpp"
#include "../processor.hpp"
#include "../span.hpp"
#include "bits.hpp"
#include "lanes.hpp"
#include "nodes.hpp"

namespace hepae::pcodec {

template <class L>
class Latent {
public:
   /// `bias` is added to all latents, modulo 2 to the width of L.
   explicit Latent(Bits &bits, L bias = 0) : fNodes(bits, bias) {}

   void begin_page(Bits &bits)
   {
      for (std::uint32_t &state : fStates)
         state = static_cast<std::uint32_t>(bits.take(fNodes.size_log()));
   }

   /// The next latents, as signed numbers of the width of L. What was taken before are whole batches.
   template <class Out>
   void take(Bits &bits, Span<Out> out)
   {
      Entry<L> nodes[kBatch + kAtOnce];
      for (std::size_t first = 0; first < out.size(); first += kBatch) {
         const Span<Out> batch = out.part(first, std::min(kBatch, out.size() - first));
#if HEPAE_HAS_AVX2
         if constexpr (sizeof(L) < 8)
            if (processor::has_avx2()) {
               bits.go_to(take_with_avx2(bits.data(), bits.position(), nodes, batch));
               continue;
            }
#endif
         const std::size_t at = visit(bits.data(), bits.position(), nodes, batch.size());
         bits.go_to(offsets(bits.data(), at, nodes, batch));
      }
   }

private:
   using States = std::array<std::uint32_t, kLanes>;

   static constexpr std::size_t kAtOnce = 8;

   Nodes<L> fNodes;
   States fStates{};

   /// The nodes of a batch; four lanes read from one word. The position behind them.
   std::size_t visit(const std::uint8_t *data, std::size_t at, Entry<L> *out, std::size_t n)
   {
      for (std::size_t i = 0; i < n; i += kLanes) {
         std::uint64_t bits = fields::word(data, at);
         for (std::size_t lane = 0; lane < std::min(kLanes, n - i); ++lane) {
            out[i + lane] = fNodes.data()[fStates[lane]];
            const Node<L> node = out[i + lane];
            fStates[lane] = node.base + static_cast<std::uint32_t>(bits & ((std::uint64_t{1} << node.bits) - 1));
            bits >>= node.bits;
            at += node.bits;
         }
      }
      return at;
   }

   /// Lower ends of bins, and the offsets in them.
   template <class Out>
   static std::size_t offsets(const std::uint8_t *data, std::size_t at, const Entry<L> *nodes, Span<Out> out)
   {
      const auto bits = [data](std::size_t position, unsigned width) {
         return fields::word(data, position) & ((std::uint64_t{1} << width) - 1);
      };
      for (std::size_t i = 0; i < out.size(); ++i) {
         const Node<L> node = nodes[i];
         const unsigned width = node.offset_bits;
         std::uint64_t offset = bits(at, width <= 57 ? width : 32);
         if (sizeof(L) == 8 && width > 57)
            offset |= bits(at + 32, width - 32) << 32;
         out[i] = static_cast<std::make_signed_t<L>>(static_cast<L>(node.lower + offset));
         at += width;
      }
      return at;
   }

#if HEPAE_HAS_AVX2
   template <class Out>
   HEPAE_AVX2 std::size_t take_with_avx2(const std::uint8_t *data, std::size_t at, Entry<L> *nodes, Span<Out> out)
   {
      Lanes<L> lanes(fNodes.data(), fStates, data, at);
      std::size_t i = 0;
      for (; i + kLanes <= out.size(); i += kLanes)
         lanes.row(nodes + i);
      lanes.row(nodes + i, out.size() - i);
      fStates = lanes.states();
      at = lanes.position(data);
      if (fNodes.widest() <= fields::kClose)
         return offsets_with_avx2<fields::Close>(data, at, nodes, out);
      return fNodes.widest() <= fields::kNarrow ? offsets_with_avx2<fields::Narrow>(data, at, nodes, out)
                                                : offsets(data, at, nodes, out);
   }

   template <class Offsets, class Out>
   HEPAE_AVX2 static std::size_t offsets_with_avx2(const std::uint8_t *data, std::size_t at, Entry<L> *nodes, Span<Out> out)
   {
      Offsets offsets(data, at);
      std::size_t i = 0;
      for (; i + kAtOnce <= out.size(); i += kAtOnce)
         put(joined<L>(nodes + i, offsets), out.data() + i);
      if (i < out.size()) {
         std::fill_n(nodes + out.size(), kAtOnce, Entry<L>{}); // bins without width behind the last one
         Out last[kAtOnce];
         put(joined<L>(nodes + i, offsets), last);
         std::copy_n(last, out.size() - i, out.data() + i);
      }
      return offsets.position();
   }
#endif
};

} // namespace hepae::pcodec
