// Loops that have a form for AVX2, on numbers of all kinds: prints a checksum of what each gives. Compiled with HEPAE_PLAIN
// it must print the same.
#include <cmath>
#include <cstdio>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <hepae/checksum.hpp>
#include <hepae/integers.hpp>
#include <hepae/lattice.hpp>
#include <hepae/masked/network.hpp>
#include <hepae/prediction/classes.hpp>
#include <hepae/prediction/known.hpp>
#include <hepae/prediction/stretches.hpp>
#include <hepae/prediction/sums.hpp>

namespace {

using Random = std::mt19937_64;

template <class T>
void print(const std::string &name, const std::vector<T> &values)
{
   hepae::Checksum sum;
   sum.add({reinterpret_cast<const std::uint8_t *>(values.data()), values.size() * sizeof(T)});
   std::printf("%s %016llx\n", name.c_str(), static_cast<unsigned long long>(sum.value()));
}

std::vector<std::int32_t> integers(std::size_t size, std::int32_t most, Random &random)
{
   std::vector<std::int32_t> out(size);
   for (std::int32_t &one : out)
      one = static_cast<std::int32_t>(static_cast<std::int64_t>(random() % (2 * static_cast<std::uint64_t>(most) + 1)) - most);
   return out;
}

/// Numbers of all sizes, and what is no number.
std::vector<double> reals(std::size_t size, Random &random)
{
   std::vector<double> out(size);
   for (double &one : out) {
      one = static_cast<double>(random() % 2001) - 1000;
      one = std::ldexp(one, static_cast<int>(random() % 80) - 50);
   }
   for (double odd : {0.0, -0.0, 1e300, -1e300, 1e-300, std::nan(""), HUGE_VAL, -HUGE_VAL, 0.5, 1.5, -2.5})
      out[random() % size] = odd;
   return out;
}

void checksums(Random &random)
{
   std::vector<std::uint8_t> bytes(4000);
   for (std::uint8_t &byte : bytes)
      byte = static_cast<std::uint8_t>(random());
   std::vector<std::uint64_t> out;
   for (std::size_t size = 0; size < bytes.size(); size += size < 300 ? 1 : 61) {
      hepae::Checksum whole, parts;
      whole.add({bytes.data(), size});
      parts.add({bytes.data(), size / 3});
      parts.add({bytes.data() + size / 3, size - size / 3});
      out.push_back(whole.value());
      out.push_back(parts.value());
   }
   print("checksums", out);
}

void stretches(std::size_t size, Random &random)
{
   const hepae::Scale scale{static_cast<std::uint64_t>(-40), static_cast<int>(random() % 4), 0, 30};
   const auto first = integers(size, 1 << (2 + random() % 27), random), second = integers(size, 100, random);
   const auto table = integers(31, 1000, random);
   std::vector<std::uint32_t> index(size);
   std::vector<std::int32_t> sum(size, 7);
   const auto add = [&](const char *name) {
      print(name, index);
      hepae::stretches::add(table.data(), index.data(), size, sum.data());
      print("sums", sum);
   };
   hepae::stretches::here(first.data(), scale, size, index.data());
   add("here");
   hepae::stretches::mix({first.data(), second.data()}, {0.375, -3.5}, scale, size, index.data());
   add("mix");
   hepae::stretches::product({second.data(), second.data()}, {-17, 1024}, 3, scale, size, index.data());
   add("product");
   std::vector<std::uint8_t> classes(size);
   hepae::Classes({-3, 5, 5, 900}).of(hepae::Span<const std::int32_t>(sum), classes.data());
   print("classes", classes);
}

hepae::Lattice lattice(const std::string &grid, hepae::Dtype dtype, std::vector<hepae::Inserted> inserted)
{
   hepae::Lattice out;
   out.dtype = dtype;
   out.inserted = std::move(inserted);
   out.grid.kind = grid == "linear" ? hepae::Grid::Kind::kLinear
                   : grid == "log"  ? hepae::Grid::Kind::kLog
                   : grid == "pattern" ? hepae::Grid::Kind::kPattern
                                       : hepae::Grid::Kind::kInteger;
   out.grid.step = 0.002;
   out.grid.first = 0.01;
   out.grid.base = 1.002;
   out.grid.top = 20'000;
   out.grid.shift = dtype == hepae::Dtype::kFloat32 ? 9 : 30;
   return out;
}

template <class Q>
void values(const hepae::OpenLattice &lattice, const std::vector<std::int32_t> &small)
{
   const std::vector<Q> q(small.begin(), small.end());
   std::vector<std::uint32_t> at(q.size());
   for (std::size_t i = 0; i < at.size(); ++i)
      at[i] = static_cast<std::uint32_t>(at.size() - 1 - i);
   const std::size_t width = hepae::size_of(lattice.spec().dtype);
   std::size_t escapes = 0;
   for (std::size_t j = 0; j < lattice.spec().inserted.size(); ++j)
      if (!lattice.spec().inserted[j].bits)
         for (Q one : q)
            escapes += one == lattice.spec().inserted[j].at + static_cast<std::int64_t>(j);
   const std::vector<std::uint8_t> escaped(escapes * width, 0x11);
   std::vector<std::uint8_t> out(q.size() * width);
   lattice.values(hepae::Span<const Q>(q), hepae::Span<const std::uint32_t>(at), escaped, nullptr, out.data());
   print("values", out);
   std::vector<double> centres(q.size());
   lattice.centres(q.data(), centres);
   print("centres", centres);
}

void lattices(std::size_t size, Random &random)
{
   using hepae::Dtype;
   const auto real = reals(size, random);
   for (const char *grid : {"linear", "log", "pattern", "integer"})
      for (Dtype dtype : {Dtype::kFloat32, Dtype::kFloat64, Dtype::kInt16, Dtype::kUint64}) {
         if ((std::string(grid) == "integer") == hepae::is_float(dtype))
            continue;
         for (int inserted = 0; inserted < 3; ++inserted) {
            std::vector<hepae::Inserted> points;
            if (inserted > 0)
               points.push_back({-3, std::nullopt});
            if (inserted > 1)
               points.push_back({4, dtype == Dtype::kFloat32 ? 0x7FC00001 : 0x1234});
            const hepae::OpenLattice one(lattice(grid, dtype, points));
            std::printf("%s %d %d\n", grid, static_cast<int>(dtype), inserted);
            for (std::int32_t most : {5, 400, 1 << 29}) {
               values<std::int32_t>(one, integers(size, most, random));
               values<std::int64_t>(one, integers(size, most, random));
            }
            std::vector<std::int64_t> nearest(size);
            one.nearest(hepae::Span<const double>(real), nearest);
            print("nearest", nearest);
            std::vector<std::int64_t> each;
            for (double value : real)
               each.push_back(one.nearest(value));
            print("nearest", each);
         }
      }
}

void functions(std::size_t size, Random &random)
{
   std::vector<double> finite = reals(size, random), out(size), angles(size);
   for (double &one : finite)
      one = std::isfinite(one) ? one : 0;
   for (hepae::Function function : {hepae::Function::kCos, hepae::Function::kSin, hepae::Function::kCosh, hepae::Function::kSinh}) {
      hepae::known::computed(function, finite.data(), size, out.data());
      print("function", out);
   }
   std::vector<std::int32_t> logs(size);
   hepae::known::logs(finite.data(), size, logs.data());
   print("logs", logs);
   const std::vector<double> x = reals(size, random), y = reals(size, random);
   hepae::sums::angles(x.data(), y.data(), angles);
   print("angles", angles);
   for (std::size_t i = 0; i < size; ++i)
      angles[i] = hepae::exact::table_arctan2(y[i], x[i]);
   print("angles", angles);
}

/// A network of random weights. With a top above a byte its outputs are not taken for bytes.
hepae::IntegerNetwork network(std::int32_t top, std::uint64_t seed)
{
   Random random(seed);
   std::vector<hepae::IntegerLayer> layers(3);
   const std::size_t sizes[] = {13, 24, 9, 3};
   for (std::size_t i = 0; i < layers.size(); ++i) {
      hepae::IntegerLayer &layer = layers[i];
      layer.inputs = sizes[i];
      layer.outputs = sizes[i + 1];
      layer.shift = 6 + static_cast<int>(i);
      for (std::int32_t one : integers(layer.inputs * layer.outputs, 127, random))
         layer.weights.push_back(static_cast<std::int16_t>(one));
      layer.bias = integers(layer.outputs, 20'000, random);
      layer.top.assign(layer.outputs, i + 1 < layers.size() ? 255 : 5);
   }
   layers.back().top[0] = top;
   return hepae::IntegerNetwork(std::move(layers), {1, 6, 36});
}

void networks(std::size_t size, std::uint64_t seed)
{
   Random random(seed);
   std::vector<std::uint8_t> levels(13 * size);
   for (std::uint8_t &level : levels)
      level = static_cast<std::uint8_t>(random());
   std::vector<std::size_t> rows{12, 3, 4, 5, 0, 1, 2, 6, 7, 11, 8, 9, 10};
   for (std::int32_t top : {5, 300}) {
      std::vector<std::uint16_t> cells(size);
      hepae::IntegerNetwork::Scratch scratch;
      network(top, seed).evaluate(levels.data(), size, hepae::Span<const std::size_t>(rows), hepae::Span<std::uint16_t>(cells), scratch);
      print("cells" + std::to_string(top), cells);
   }
}

} // namespace

int main()
{
   Random random(1);
   checksums(random);
   for (std::size_t size : {1, 255, 256, 700})
      networks(size, size);
   for (std::size_t size : {11, 12, 31, 256, 1024, 3000}) {
      stretches(size, random);
      lattices(size, random);
      functions(size, random);
   }
   return 0;
}
