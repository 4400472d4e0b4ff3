// JSON, read strictly and in place: a value is a view of its text, which is checked when it is stepped over.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "error.hpp"

namespace hepae {

/// The text of one value of a document, without blanks around it.
class Json {
public:
   explicit Json(std::string_view text) : fText(text) {}

   bool is_null() const { return fText == "null"; }
   bool boolean() const;
   double number() const;
   /// Integers keep 64 bits: sign and magnitude.
   std::pair<bool, std::uint64_t> integer() const;
   std::string string() const;
   std::vector<Json> items() const;
   std::vector<std::pair<std::string, Json>> members() const;

private:
   std::string_view fText;
};

namespace json {

/// Documents of this format nest about ten levels; a function that calls itself needs some limit.
constexpr int kDeepest = 64;

/// Steps over the grammar from a place in a text.
class Cursor {
public:
   explicit Cursor(std::string_view text) : fText(text) {}

   bool at_end()
   {
      blank();
      return fAt == fText.size();
   }

   bool skip(char expected)
   {
      blank();
      const bool there = peek() == expected;
      fAt += there;
      return there;
   }

   void need(char expected) { require(skip(expected), "JSON lacks a character of its grammar"); }

   /// The next value.
   Json value(int depth = 0)
   {
      require(depth < kDeepest, "JSON nests too deeply");
      blank();
      const std::size_t first = fAt;
      step(depth);
      return Json(fText.substr(first, fAt - first));
   }

   /// A string with its escapes as they are, between its quotation marks.
   std::string_view quoted()
   {
      need('"');
      const std::size_t first = fAt;
      while (peek() != '"') {
         require(static_cast<unsigned char>(peek()) >= 0x20, "JSON holds a string without end");
         fAt += peek() == '\\' ? 2 : 1;
      }
      return fText.substr(first, fAt++ - first);
   }

private:
   std::string_view fText;
   std::size_t fAt = 0;

   char peek() const { return fAt < fText.size() ? fText[fAt] : '\0'; }

   void blank()
   {
      while (peek() == ' ' || peek() == '\t' || peek() == '\r' || peek() == '\n')
         ++fAt;
   }

   void step(int depth)
   {
      switch (peek()) {
      case '{': return list('}', true, depth);
      case '[': return list(']', false, depth);
      case '"': quoted(); return;
      case 't': return word("true");
      case 'f': return word("false");
      case 'n': return word("null");
      default: return number();
      }
   }

   void list(char end, bool keys, int depth)
   {
      ++fAt;
      if (skip(end))
         return;
      do {
         if (keys) {
            quoted();
            need(':');
         }
         value(depth + 1);
      } while (skip(','));
      need(end);
   }

   void word(std::string_view expected)
   {
      require(fText.substr(fAt, expected.size()) == expected, "JSON holds an unknown word");
      fAt += expected.size();
   }

   std::size_t digits()
   {
      const std::size_t first = fAt;
      while (peek() >= '0' && peek() <= '9')
         ++fAt;
      return fAt - first;
   }

   void number()
   {
      fAt += peek() == '-';
      const bool zero = peek() == '0';
      const std::size_t whole = digits();
      require(whole > 0 && !(zero && whole > 1), "JSON holds something unknown");
      if (peek() == '.') {
         ++fAt;
         require(digits() > 0, "JSON holds half a number");
      }
      if (peek() == 'e' || peek() == 'E') {
         ++fAt;
         fAt += peek() == '+' || peek() == '-';
         require(digits() > 0, "JSON holds half a number");
      }
   }
};

/// Escapes of a string resolved.
class Unescape {
public:
   explicit Unescape(std::string_view text) : fText(text) {}

   std::string all()
   {
      for (; fAt < fText.size(); ++fAt)
         if (fText[fAt] == '\\')
            escape();
         else
            fOut += fText[fAt];
      return std::move(fOut);
   }

private:
   std::string_view fText;
   std::size_t fAt = 0;
   std::string fOut;

   /// Ends on the last character of the escape.
   void escape()
   {
      static constexpr std::string_view names = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
      require(++fAt < fText.size(), "JSON holds half an escape");
      if (fText[fAt] == 'u')
         return utf8(code_point());
      const std::size_t which = names.find(fText[fAt]);
      require(which != std::string_view::npos, "JSON holds an unknown escape");
      fOut += meanings[which];
   }

   /// Of \uXXXX, or of two such that are a surrogate pair.
   std::uint32_t code_point()
   {
      const std::uint32_t first = hexadecimal();
      if (first < 0xD800 || first > 0xDFFF)
         return first;
      require(first < 0xDC00 && fText.substr(fAt + 1, 2) == "\\u", "JSON holds half a surrogate pair");
      fAt += 2;
      const std::uint32_t second = hexadecimal();
      require(second >= 0xDC00 && second <= 0xDFFF, "JSON holds half a surrogate pair");
      return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
   }

   std::uint32_t hexadecimal()
   {
      std::uint32_t out = 0;
      for (int i = 0; i < 4; ++i) {
         require(++fAt < fText.size(), "JSON holds half an escape");
         const std::size_t digit = std::string_view("0123456789abcdefABCDEF").find(fText[fAt]);
         require(digit != std::string_view::npos, "JSON holds an unknown escape");
         out = out * 16 + static_cast<std::uint32_t>(digit < 16 ? digit : digit - 6);
      }
      return out;
   }

   void utf8(std::uint32_t code)
   {
      static constexpr std::uint32_t ends[] = {0x80, 0x800, 0x10000};
      static constexpr std::uint32_t leads[] = {0, 0xC0, 0xE0, 0xF0};
      int more = 0; // bytes after the first
      while (more < 3 && code >= ends[more])
         ++more;
      fOut += static_cast<char>(leads[more] | (code >> (6 * more)));
      while (more-- > 0)
         fOut += static_cast<char>(0x80 | ((code >> (6 * more)) & 0x3F));
   }
};

} // namespace json

/// The document that a text is.
inline Json parse_json(std::string_view text)
{
   json::Cursor cursor(text);
   const Json out = cursor.value();
   require(cursor.at_end(), "JSON goes on after its end");
   return out;
}

inline bool Json::boolean() const
{
   require(fText == "true" || fText == "false", "a boolean is something else");
   return fText == "true";
}

/// strtod takes the point of the locale; where that is no point, it does not read to the end.
inline double Json::number() const
{
   require(fText[0] == '-' || (fText[0] >= '0' && fText[0] <= '9'), "a number is something else");
   const std::string copy(fText);
   char *end = nullptr;
   const double out = std::strtod(copy.c_str(), &end);
   require(end == copy.c_str() + copy.size(), "a number is not read to its end (the locale has another point)");
   return out;
}

inline std::pair<bool, std::uint64_t> Json::integer() const
{
   const bool negative = fText[0] == '-';
   std::uint64_t size = 0;
   for (char c : fText.substr(negative)) {
      require(c >= '0' && c <= '9', "an integer is something else");
      const std::uint64_t digit = static_cast<std::uint64_t>(c - '0');
      require(size <= (UINT64_MAX - digit) / 10, "an integer has more than 64 bits");
      size = size * 10 + digit;
   }
   return {negative, size};
}

inline std::string Json::string() const
{
   require(fText[0] == '"', "a string is something else");
   return json::Unescape(fText.substr(1, fText.size() - 2)).all();
}

inline std::vector<Json> Json::items() const
{
   std::vector<Json> out;
   json::Cursor cursor(fText);
   require(cursor.skip('['), "an array is something else");
   if (cursor.skip(']'))
      return out;
   do
      out.push_back(cursor.value());
   while (cursor.skip(','));
   return out;
}

inline std::vector<std::pair<std::string, Json>> Json::members() const
{
   std::vector<std::pair<std::string, Json>> out;
   json::Cursor cursor(fText);
   require(cursor.skip('{'), "an object is something else");
   if (cursor.skip('}'))
      return out;
   do {
      std::string key = json::Unescape(cursor.quoted()).all();
      cursor.need(':');
      out.emplace_back(std::move(key), cursor.value());
   } while (cursor.skip(','));
   return out;
}

} // namespace hepae
