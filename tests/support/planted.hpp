// Planted: values that nobody may see, and the search for them in what a program has written.
//
// Place:     tests that collect what programs write.
// Threads:   one thread at a time.
// Lifetime:  owns its values.
// Failure:   a value of fewer than eight bytes fails the test: it could not be told from others.
//
// A value is found by any eight bytes of it, so that a part is found, too: as it is, whatever the
// case of its letters; percent-encoded, all of it or what has to be; escaped as in JSON; in
// hexadecimal digits; and in base64 of either alphabet, wherever in a longer text it stands.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace postbox::tests {

class Planted {
 public:
  void plant(const std::string& name, std::string_view value) {
    EXPECT_GE(value.size(), kPiece) << name;
    for (const std::string& form : folded_forms(value)) add(folded(form), name, folded_pieces_);
    for (const std::string& form : base64_forms(value)) add(form, name, exact_pieces_);
  }

  // What stands in `text`: the name of each value, with what stands around it.
  [[nodiscard]] std::set<std::string> found_in(std::string_view text) const {
    std::set<std::string> found;
    std::set<std::string> names;
    search(text, text, exact_pieces_, names, found);
    search(folded(text), text, folded_pieces_, names, found);
    return found;
  }

  [[nodiscard]] static std::string base64(std::string_view bytes, bool for_urls = false) {
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
      std::uint32_t bits = 0;
      for (std::size_t j = 0; j < 3; ++j) {
        bits = bits << 8U | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U);
      }
      for (const unsigned shift : {18U, 12U, 6U, 0U}) {
        text += (for_urls ? kUrlDigits : kDigits)[bits >> shift & 63U];
      }
    }
    const std::size_t padding = (3 - bytes.size() % 3) % 3;
    return text.replace(text.size() - padding, padding, padding, '=');
  }

 private:
  static constexpr std::size_t kPiece = 8;
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  static constexpr std::string_view kUrlDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  static constexpr std::string_view kHexDigits = "0123456789abcdef";

  using Pieces = std::unordered_map<std::uint64_t, std::string>;  // to the name of the value

  static std::uint64_t piece_at(std::string_view text, std::size_t at) {
    std::uint64_t piece = 0;
    std::memcpy(&piece, text.data() + at, kPiece);
    return piece;
  }

  static void add(std::string_view form, const std::string& name, Pieces& pieces) {
    for (std::size_t i = 0; i + kPiece <= form.size(); ++i) {
      pieces.emplace(piece_at(form, i), name);
    }
  }

  static void search(std::string_view searched, std::string_view shown, const Pieces& pieces,
                     std::set<std::string>& names, std::set<std::string>& found) {
    constexpr std::size_t kAround = 120;
    for (std::size_t i = 0; i + kPiece <= searched.size(); ++i) {
      const auto piece = pieces.find(piece_at(searched, i));
      if (piece == pieces.end() || !names.insert(piece->second).second) continue;
      const std::size_t from = i < kAround ? 0 : i - kAround;
      found.insert(piece->second + " in: " + std::string(shown.substr(from, 2 * kAround)));
    }
  }

  static std::string folded(std::string_view text) {
    std::string lower(text);
    for (char& c : lower) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return lower;
  }

  static std::string in_hex(std::string_view bytes, std::string_view before) {
    std::string text;
    for (const char c : bytes) {
      const auto byte = static_cast<unsigned char>(c);
      text.append(before).append({kHexDigits[byte >> 4U], kHexDigits[byte & 15U]});
    }
    return text;
  }

  static bool is_plain_in_url(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("-._~").find(c) != std::string_view::npos;
  }

  // `blank` stands for a space: "%20", and "+" in a form.
  static std::string in_url(std::string_view value, std::string_view blank) {
    std::string text;
    for (const char c : value) {
      const std::string encoded = c == ' ' ? std::string(blank) : in_hex({&c, 1}, "%");
      text += is_plain_in_url(c) ? std::string(1, c) : encoded;
    }
    return text;
  }

  // With everything escaped that some writer of JSON escapes: also what is not ASCII, and slashes.
  static std::string in_json(std::string_view value) {
    std::string text;
    for (std::size_t i = 0; i < value.size();) {
      const auto byte = static_cast<unsigned char>(value[i]);
      if (byte < 0x80) {
        if (std::string_view("\"\\/").find(value[i]) != std::string_view::npos) text += '\\';
        text += value[i++];
        continue;
      }
      const std::size_t size = byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
      std::uint32_t code = byte & (0xFFU >> (size + 1));
      for (std::size_t j = 1; j < size; ++j) {
        code = code << 6U | (static_cast<unsigned char>(value[i + j]) & 63U);
      }
      i += size;
      append_units(code, text);
    }
    return text;
  }

  static void append_units(std::uint32_t code, std::string& text) {
    const auto append = [&text](std::uint32_t unit) {
      const std::array<char, 2> bytes{static_cast<char>(unit >> 8U),
                                      static_cast<char>(unit & 255U)};
      text += "\\u" + in_hex({bytes.data(), bytes.size()}, "");
    };
    if (code < 0x10000) return append(code);
    append(0xD800U + ((code - 0x10000U) >> 10U));
    append(0xDC00U + ((code - 0x10000U) & 0x3FFU));
  }

  static std::vector<std::string> folded_forms(std::string_view value) {
    return {std::string(value), in_url(value, "%20"), in_url(value, "+"),
            in_hex(value, "%"), in_json(value),       in_hex(value, "")};
  }

  // What is the same whatever stands before and behind it.
  static std::vector<std::string> base64_forms(std::string_view value) {
    std::vector<std::string> forms;
    for (const bool for_urls : {false, true}) {
      for (std::size_t before = 0; before < 3; ++before) {
        const std::string text = base64(std::string(before, ' ') + std::string(value), for_urls);
        const std::size_t first = (before * 8 + 5) / 6;
        forms.push_back(text.substr(first, (before + value.size()) * 8 / 6 - first));
      }
    }
    return forms;
  }

  Pieces folded_pieces_;
  Pieces exact_pieces_;
};

}  // namespace postbox::tests
