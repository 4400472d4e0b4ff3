// Structs from JSON: keys that are not named, missing keys and values of another type are refused.
//
// A struct says what it holds once:
//
//    struct Term {
//       std::size_t source = 0;
//       std::vector<std::int64_t> values;
//       void fields(Record &r) { r.need("source", source); r.need("values", values); }
//    };
//
// `need` refuses a missing key, `may` leaves the member as it is. A struct may have `void check() const` too, which
// refuses values that cannot be.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "json.hpp"

namespace hepae {

template <class T>
T from_json(const Json &json);

/// An object of a document, each of whose keys is taken once.
class Record {
public:
   explicit Record(const Json &json) : fLeft(json.members())
   {
      std::sort(fLeft.begin(), fLeft.end(), [](const Member &a, const Member &b) { return a.first < b.first; });
      for (std::size_t i = 1; i < fLeft.size(); ++i)
         require(fLeft[i - 1].first != fLeft[i].first, "a key stands twice", fLeft[i].first);
   }

   template <class T>
   void need(const char *key, T &member)
   {
      const std::optional<Json> value = take(key);
      require(value.has_value(), "a key is missing", key);
      member = from_json<T>(*value);
   }

   template <class T>
   void may(const char *key, T &member)
   {
      if (const std::optional<Json> value = take(key))
         member = from_json<T>(*value);
   }

   /// A label, which is not looked at.
   void ignore(const char *key) { take(key); }

   std::string tag(const char *key = "type")
   {
      std::string out;
      need(key, out);
      return out;
   }

   void done() const { require(fLeft.empty(), "a key that is not known", fLeft.empty() ? "" : fLeft[0].first); }

private:
   using Member = std::pair<std::string, Json>;
   std::vector<Member> fLeft;

   std::optional<Json> take(const char *key)
   {
      for (auto at = fLeft.begin(); at != fLeft.end(); ++at)
         if (at->first == key) {
            const Json out = at->second;
            fLeft.erase(at);
            return out;
         }
      return std::nullopt;
   }
};

namespace record {

template <class T, class = void>
struct HasCheck : std::false_type {};
template <class T>
struct HasCheck<T, std::void_t<decltype(std::declval<const T &>().check())>> : std::true_type {};

/// How a type is read; this template is for structs with `fields`.
template <class T, class = void>
struct Reader {
   static T read(const Json &json)
   {
      T out{};
      Record record(json);
      out.fields(record);
      record.done();
      if constexpr (HasCheck<T>::value)
         out.check();
      return out;
   }
};

template <>
struct Reader<bool> {
   static bool read(const Json &json) { return json.boolean(); }
};

template <>
struct Reader<std::string> {
   static std::string read(const Json &json) { return json.string(); }
};

template <>
struct Reader<double> {
   static double read(const Json &json) { return json.number(); }
};

template <class T>
struct Reader<T, std::enable_if_t<std::is_integral_v<T>>> {
   static T read(const Json &json)
   {
      const auto [negative, size] = json.integer();
      const T out = static_cast<T>(negative ? 0 - size : size);
      const bool fits = negative ? out <= 0 && static_cast<std::uint64_t>(out) == 0 - size
                                 : out >= 0 && static_cast<std::uint64_t>(out) == size;
      require(fits, "an integer is out of range");
      return out;
   }
};

template <class T>
struct Reader<std::optional<T>> {
   static std::optional<T> read(const Json &json)
   {
      return json.is_null() ? std::nullopt : std::optional<T>(from_json<T>(json));
   }
};

template <class T>
struct Reader<std::vector<T>> {
   static std::vector<T> read(const Json &json)
   {
      std::vector<T> out;
      for (const Json &item : json.items())
         out.push_back(from_json<T>(item));
      return out;
   }
};

template <class A, class B>
struct Reader<std::pair<A, B>> {
   static std::pair<A, B> read(const Json &json)
   {
      const std::vector<Json> items = json.items();
      require(items.size() == 2, "a pair is something else");
      return {from_json<A>(items[0]), from_json<B>(items[1])};
   }
};

} // namespace record

template <class T>
T from_json(const Json &json)
{
   return record::Reader<T>::read(json);
}

} // namespace hepae
