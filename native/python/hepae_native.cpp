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
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <hepae/codec.hpp>
#include <hepae/json.hpp>
#include <hepae/record.hpp>

namespace nb = nanobind;

namespace {

template <class T>
using Array = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Column = nb::ndarray<nb::numpy, std::uint8_t, nb::ndim<1>>;

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

   /// The bytes are kept as long as this.
   void add_frame(std::size_t feature, nb::bytes frame)
   {
      const Turn turn(fBusy);
      fFrames.push_back(std::move(frame));
      fChunk->add_frame(feature, bytes_of(fFrames.back()));
   }

   bool is_decoded(std::size_t feature) const { return fChunk->is_decoded(feature); }
   std::size_t nbytes() const { return fChunk->bytes(); }

   Column decode(std::size_t feature)
   {
      auto *out = new hepae::Buffer<std::uint8_t>;
      const nb::capsule owner(out, [](void *one) noexcept { delete static_cast<hepae::Buffer<std::uint8_t> *>(one); });
      {
         const nb::gil_scoped_release unlocked;
         const Turn turn(fBusy);
         *out = fChunk->decode(feature);
      }
      return Column(out->data(), {out->size()}, owner);
   }

private:
   std::unique_ptr<hepae::OpenChunk> fChunk;
   std::vector<nb::bytes> fFrames;
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
   nb::exception<hepae::CorruptionError>(module, "CorruptionError");
   module.def("unpack", &unpack, nb::arg("block"), nb::arg("size"), "The bytes of the int64 of a block of integers.");
   nb::class_<Codec>(module, "Codec")
      .def(nb::init<const nb::bytes &, const nb::bytes &>(), nb::arg("parts"), nb::arg("model"))
      .def_static("of_model", &Codec::of_model, nb::arg("onnx"), nb::arg("sha256"));
   nb::class_<Chunk>(module, "Chunk")
      .def(nb::init<const Codec &, const Array<std::int64_t> &, const std::vector<nb::bytes> &>(), nb::arg("codec"),
           nb::arg("counts"), nb::arg("conditions"), nb::keep_alive<1, 2>())
      .def("add_condition", &Chunk::add_condition)
      .def("has_given", &Chunk::has_given)
      .def("give", &Chunk::give)
      .def("add_frame", &Chunk::add_frame)
      .def("is_decoded", &Chunk::is_decoded)
      .def("decode", &Chunk::decode)
      .def_prop_ro("nbytes", &Chunk::nbytes);
}
