// The decoders for Python: chunks of integers and predictions, as hepae/core/chunk.py decodes them (hepae/core/native.py
// calls this). Python's lock is released while anything is decoded.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <hepae/codec.hpp>
#include <hepae/json.hpp>
#include <hepae/latents.hpp>
#include <hepae/masked/residual_writer.hpp>
#include <hepae/record.hpp>

namespace nb = nanobind;

namespace {

template <class T>
using Array = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

hepae::Bytes bytes_of(const nb::bytes &data)
{
   return {static_cast<const std::uint8_t *>(data.data()), data.size()};
}

/// A column that is given, as hepae/core/native.py writes it.
struct Given {
   std::string name;
   hepae::Lattice lattice;

   void fields(hepae::Record &r)
   {
      r.need("name", name);
      r.need("lattice", lattice);
   }
};

struct Parts {
   std::vector<hepae::Feature> features;
   std::optional<hepae::LiftingSpec> lifting;
   std::vector<Given> given;
   std::vector<std::string> conditions;

   void fields(hepae::Record &r)
   {
      r.need("features", features);
      r.may("lifting", lifting);
      r.need("given", given);
      r.need("conditions", conditions);
   }
};

class Codec {
public:
   Codec(const nb::bytes &text, const nb::bytes &model) : fCodec(parts_of(bytes_of(text), bytes_of(model))) {}

   explicit Codec(hepae::CodecParts parts) : fCodec(std::move(parts)) {}

   /// Of the bytes of a model file and their SHA-256.
   static std::unique_ptr<Codec> of_model(const nb::bytes &onnx, const nb::bytes &sha256)
   {
      return std::make_unique<Codec>(hepae::CodecParts::of(bytes_of(onnx), digest_of(bytes_of(sha256))));
   }

   const hepae::ChunkCodec &get() const { return fCodec; }

private:
   hepae::ChunkCodec fCodec;

   static std::array<std::uint8_t, 32> digest_of(hepae::Bytes name)
   {
      std::array<std::uint8_t, 32> out{};
      hepae::require(name.size() == out.size(), "a name of a model has 32 bytes");
      std::copy(name.begin(), name.end(), out.begin());
      return out;
   }

   static hepae::CodecParts parts_of(hepae::Bytes text, hepae::Bytes model)
   {
      const std::string_view json(reinterpret_cast<const char *>(text.data()), text.size());
      Parts parts = hepae::from_json<Parts>(hepae::parse_json(json));
      hepae::CodecParts out;
      out.features = std::move(parts.features);
      out.lifting = std::move(parts.lifting);
      for (Given &given : parts.given)
         out.given.emplace_back(std::move(given.name), std::move(given.lattice));
      out.conditions = std::move(parts.conditions);
      out.sha256 = digest_of(model);
      return out;
   }
};

/// One thread at a time. Nobody waits: a child that was forked meanwhile would wait for ever.
class Turn {
public:
   explicit Turn(std::atomic_flag &busy) : fBusy(&busy)
   {
      hepae::require(!busy.test_and_set(), "a chunk that another thread decodes");
   }
   ~Turn() { fBusy->clear(); }
   Turn(const Turn &) = delete;

private:
   std::atomic_flag *fBusy;
};

/// An array that Python keeps.
template <class T>
nb::ndarray<nb::numpy, T, nb::ndim<1>> given_away(hepae::Buffer<T> values)
{
   auto *out = new hepae::Buffer<T>(std::move(values));
   const nb::capsule owner(out, [](void *one) noexcept { delete static_cast<hepae::Buffer<T> *>(one); });
   return nb::ndarray<nb::numpy, T, nb::ndim<1>>(out->data(), {out->size()}, owner);
}

/// A chunk that is read feature by feature.
class Chunk {
public:
   Chunk(const Codec &codec, const Array<std::int64_t> &counts, const std::vector<nb::bytes> &conditions)
   {
      std::vector<hepae::Bytes> raw;
      for (const nb::bytes &condition : conditions)
         raw.push_back(bytes_of(condition));
      auto rows = std::make_shared<std::vector<std::int64_t>>(counts.data(), counts.data() + counts.size());
      const nb::gil_scoped_release unlocked;
      fChunk = std::make_unique<hepae::OpenChunk>(codec.get(), std::move(rows), raw);
   }

   void add_condition(const Array<double> &values)
   {
      const Turn turn(fBusy);
      fChunk->add_condition({values.data(), values.data() + values.size()});
   }
   bool has_given(std::size_t number) const { return fChunk->has_given(number); }
   void give(std::size_t number, const Array<double> &values)
   {
      const Turn turn(fBusy);
      fChunk->give(number, {values.data(), values.data() + values.size()});
   }

   bool is_decoded(std::size_t feature) const { return fChunk->is_decoded(feature); }
   std::size_t nbytes() const { return fChunk->bytes(); }

   /// The columns of some features, after the frames that they need, by the numbers of their features. The bytes of frames
   /// are kept as long as this. All in one call: threads that wait for Python's lock again and again would wait for each other.
   nb::list decode(const std::vector<std::pair<std::size_t, nb::bytes>> &frames, const std::vector<std::size_t> &features)
   {
      for (const auto &frame : frames)
         fFrames.push_back(frame.second);
      const std::size_t before = fFrames.size() - frames.size();
      std::vector<hepae::Buffer<std::uint8_t>> columns;
      {
         std::vector<hepae::Bytes> bytes;
         for (std::size_t i = 0; i < frames.size(); ++i)
            bytes.push_back(bytes_of(fFrames[before + i]));
         const nb::gil_scoped_release unlocked;
         const Turn turn(fBusy);
         for (std::size_t i = 0; i < frames.size(); ++i)
            fChunk->add_frame(frames[i].first, bytes[i]);
         for (std::size_t feature : features)
            columns.push_back(fChunk->decode(feature));
      }
      nb::list out;
      for (hepae::Buffer<std::uint8_t> &column : columns)
         out.append(given_away(std::move(column)));
      return out;
   }

private:
   std::unique_ptr<hepae::OpenChunk> fChunk;
   std::vector<nb::bytes> fFrames;
   std::atomic_flag fBusy = ATOMIC_FLAG_INIT;
};

/// The latents of a chunk that is written, feature by feature in coding order.
class Latents {
public:
   Latents(const Codec &codec, const Array<std::int64_t> &counts)
      : fLatents(codec.get(), {counts.data(), counts.data() + counts.size()})
   {
   }

   void add_condition(const Array<double> &values) { fLatents.add_condition({values.data(), values.data() + values.size()}); }
   void give(std::size_t number, const Array<double> &values)
   {
      fLatents.give(number, {values.data(), values.data() + values.size()});
   }

   /// Integers in rank order, latents, latents class by class, how many each class has, and whether they are around a circle.
   nb::tuple find(std::size_t feature, const Array<std::int64_t> &integers)
   {
      hepae::Codable out;
      {
         const nb::gil_scoped_release unlocked;
         const Turn turn(fBusy);
         out = fLatents.find(feature, {integers.data(), integers.size()});
      }
      return nb::make_tuple(given_away(std::move(out.integers)), given_away(std::move(out.latents)),
                            given_away(std::move(out.by_class)), out.counts, out.around);
   }

private:
   hepae::Latents fLatents;
   std::atomic_flag fBusy = ATOMIC_FLAG_INIT;
};

/// What the masked codec codes of a chunk that is written, feature by feature in coding order.
class Residuals {
public:
   Residuals(const Codec &codec, const Array<std::int64_t> &counts)
      : fWriter(codec.get(), {counts.data(), counts.data() + counts.size()})
   {
   }

   void add_condition(const Array<double> &values) { fWriter.add_condition({values.data(), values.data() + values.size()}); }
   void put(std::size_t feature, const Array<std::int64_t> &integers)
   {
      const nb::gil_scoped_release unlocked;
      const Turn turn(fBusy);
      fWriter.put(feature, {integers.data(), integers.size()});
   }

   /// Half the number of lanes, coded symbols, raw bits, residuals outside the bins, and whether they are around a circle.
   nb::tuple code(std::size_t feature)
   {
      hepae::CodedResiduals out;
      {
         const nb::gil_scoped_release unlocked;
         const Turn turn(fBusy);
         out = fWriter.code(feature);
      }
      return nb::make_tuple(out.pairs, nb::bytes(out.symbols.data(), out.symbols.size()),
                            nb::bytes(out.raw.data(), out.raw.size()), given_away(std::move(out.outside)), out.around);
   }

private:
   hepae::ResidualWriter fWriter;
   std::atomic_flag fBusy = ATOMIC_FLAG_INIT;
};

nb::bytes unpack(const nb::bytes &block, std::size_t size)
{
   std::vector<std::int64_t> out(size);
   {
      const nb::gil_scoped_release unlocked;
      hepae::unpack_integers(bytes_of(block), out);
   }
   return nb::bytes(reinterpret_cast<const char *>(out.data()), 8 * out.size());
}

} // namespace

NB_MODULE(hepae_native, module)
{
   module.doc() = "Decoders of hepae in C++; hepae uses them where they are installed.";
   // caches of Python keep codecs until the process ends, which is no leak that a user should read of
   nb::set_leak_warnings(false);
#ifdef HEPAE_SOURCES
   module.attr("sources") = HEPAE_SOURCES;
#endif
   nb::exception<hepae::CorruptionError>(module, "CorruptionError");
   module.def("unpack", &unpack, nb::arg("block"), nb::arg("size"), "The bytes of the int64 of a block of integers.");
   nb::class_<Codec>(module, "Codec")
      .def(nb::init<const nb::bytes &, const nb::bytes &>(), nb::arg("parts"), nb::arg("model"))
      .def_static("of_model", &Codec::of_model, nb::arg("onnx"), nb::arg("sha256"));
   nb::class_<Latents>(module, "Latents")
      .def(nb::init<const Codec &, const Array<std::int64_t> &>(), nb::arg("codec"), nb::arg("counts"), nb::keep_alive<1, 2>())
      .def("add_condition", &Latents::add_condition)
      .def("give", &Latents::give)
      .def("find", &Latents::find, nb::arg("feature"), nb::arg("integers"));
   nb::class_<Residuals>(module, "Residuals")
      .def(nb::init<const Codec &, const Array<std::int64_t> &>(), nb::arg("codec"), nb::arg("counts"), nb::keep_alive<1, 2>())
      .def("add_condition", &Residuals::add_condition)
      .def("put", &Residuals::put, nb::arg("feature"), nb::arg("integers"))
      .def("code", &Residuals::code, nb::arg("feature"));
   nb::class_<Chunk>(module, "Chunk")
      .def(nb::init<const Codec &, const Array<std::int64_t> &, const std::vector<nb::bytes> &>(), nb::arg("codec"),
           nb::arg("counts"), nb::arg("conditions"), nb::keep_alive<1, 2>())
      .def("add_condition", &Chunk::add_condition)
      .def("has_given", &Chunk::has_given)
      .def("give", &Chunk::give)
      .def("is_decoded", &Chunk::is_decoded)
      .def("decode", &Chunk::decode, nb::arg("frames"), nb::arg("features"))
      .def_prop_ro("nbytes", &Chunk::nbytes);
}
