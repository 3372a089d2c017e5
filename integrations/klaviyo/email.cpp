#include <idn2.h>

#include <algorithm>
#include <klaviyo/email.hpp>
#include <klaviyo/unicode.hpp>
#include <memory>

namespace klaviyo {
namespace {

using Text = std::u32string;
using View = std::u32string_view;

constexpr View kMailto = U"mailto:";
constexpr char32_t kNonJoiner = 0x200c;
constexpr char32_t kJoiner = 0x200d;

// Nothing to do but to lower the letters: almost every address.
bool is_plain(std::string_view text) {
  constexpr std::string_view kSpecial = "<>()[]\"\\,;:`";
  if (text.empty() || text.back() == '.' || text.back() == '\'') return false;
  return std::ranges::all_of(text, [&](char c) {
    return c > 0x20 && c < 0x7f && kSpecial.find(c) == std::string_view::npos;
  });
}

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

View trim(View text) {
  const auto goes = [](char32_t c) { return is_blank(c) || is_invisible(c); };
  while (!text.empty() && goes(text.front())) text.remove_prefix(1);
  while (!text.empty() && goes(text.back())) text.remove_suffix(1);
  return text;
}

// One layer of what people and programs put around an address; `text` itself when there is none.
View unwrap(View text) {
  text = trim(text);
  for (std::size_t open = text.find(U'<'); open != View::npos; open = text.find(U'<', open + 1)) {
    const View inside = text.substr(open + 1, text.find(U'>', open) - open - 1);
    if (inside.find(U'@') != View::npos) return inside;
  }
  if (text.size() > kMailto.size() &&
      std::ranges::equal(text.substr(0, kMailto.size()), kMailto, {}, lower_ascii)) {
    return text.substr(kMailto.size());
  }
  constexpr View kOpen = U"\"'`([<\u2018\u201c\u00ab";
  constexpr View kClose = U"\"'`)]>\u2019\u201d\u00bb";
  const std::size_t quote = text.size() < 2 ? View::npos : kOpen.find(text.front());
  if (quote != View::npos && text.back() == kClose[quote]) return text.substr(1, text.size() - 2);
  if (!text.empty() && View(U".,;:>").find(text.back()) != View::npos) text.remove_suffix(1);
  return text;
}

// The first address of a list, and an address without the parameters of a `mailto:`.
View first_of(View text) {
  const std::size_t at = text.find(U'@');
  return at == View::npos ? text : text.substr(0, text.find_first_of(U",;?", at));
}

bool joins_letters(View text, std::size_t i) {
  if (text[i] != kJoiner && text[i] != kNonJoiner) return false;
  return i > 0 && i + 1 < text.size() && text[i - 1] >= 0x80 && text[i + 1] >= 0x80;
}

// `text` without what is invisible in it. A joiner between letters is a part of a word in Persian
// and Hindi: IDNA decides about it.
Text without_invisible(View text) {
  Text kept;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!is_invisible(text[i]) || joins_letters(text, i)) kept += text[i];
  }
  return kept;
}

bool is_dot(char32_t c) { return c == U'.' || c == 0x3002 || c == 0xff61; }

// Without blanks beside "@" and, behind it, beside a dot.
Text without_blanks(View text) {
  const std::size_t at = text.rfind(U'@');
  Text kept;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_blank(text[i])) {
      std::size_t before = i;
      while (before > 0 && is_blank(text[before])) --before;
      std::size_t after = i;
      while (after + 1 < text.size() && is_blank(text[after])) ++after;
      const bool in_domain = at != View::npos && i > at;
      const auto touches = [&](char32_t c) { return c == U'@' || (in_domain && is_dot(c)); };
      if (touches(text[before]) || touches(text[after])) continue;
    }
    kept += text[i];
  }
  return kept;
}

struct FreeIdn {
  void operator()(void* text) const noexcept { idn2_free(text); }
};

// The ASCII form of a domain, or of anything else without a dot; empty when it has none.
std::string to_ascii(const std::string& domain) {
  std::uint8_t* found = nullptr;
  const int status = idn2_lookup_u8(reinterpret_cast<const std::uint8_t*>(domain.c_str()), &found,
                                    IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  const std::unique_ptr<std::uint8_t, FreeIdn> owner(found);
  return status == IDN2_OK ? std::string(reinterpret_cast<const char*>(found)) : std::string();
}

std::string to_unicode(const std::string& ascii) {
  char* found = nullptr;
  const int status = idn2_to_unicode_8z8z(ascii.c_str(), &found, 0);
  const std::unique_ptr<char, FreeIdn> owner(found);
  return status == IDN2_OK ? std::string(found) : std::string();
}

std::string lowered(View text) {
  Text copy(text);
  std::ranges::transform(copy, copy.begin(), lower_ascii);
  return encode_utf8(copy);
}

// The letters of a local part are lowered and composed by the same mapping as a domain's: each part
// between dots goes there and back. What has no such form stays as it is.
std::string clean_local(View text) {
  std::string local = lowered(text);
  if (is_ascii(local)) return local;
  std::string clean;
  for (std::size_t begin = 0;;) {
    const std::size_t dot = std::min(local.find('.', begin), local.size());
    const std::string part = local.substr(begin, dot - begin);
    const std::string mapped = is_ascii(part) ? part : to_unicode(to_ascii(part));
    if (mapped.empty() != part.empty() || mapped.find_first_of("@. ") != std::string::npos) {
      return local;
    }
    clean += mapped;
    if (dot == local.size()) return clean;
    clean += '.';
    begin = dot + 1;
  }
}

std::string clean_domain(View text) {
  std::string domain = lowered(text);
  if (!is_ascii(domain)) {
    if (std::string ascii = to_ascii(domain); !ascii.empty()) domain = std::move(ascii);
  }
  while (domain.ends_with('.')) domain.pop_back();
  return domain;
}

CleanEmail join(View text) {
  const std::size_t at = text.rfind(U'@');
  if (at == View::npos) return {encode_utf8(text)};
  return {clean_local(text.substr(0, at)) + "@" + clean_domain(text.substr(at + 1))};
}

}  // namespace

CleanEmail clean_email(std::string text) {
  const std::string_view inner = trimmed(text);
  if (is_plain(inner)) {
    if (inner.size() != text.size()) text = std::string(inner);
    std::ranges::transform(text, text.begin(), [](char c) {
      return static_cast<char>(lower_ascii(static_cast<char32_t>(c)));
    });
    return {std::move(text)};
  }
  Text decoded = decode_utf8(inner);
  std::ranges::transform(decoded, decoded.begin(), narrow);
  View core = decoded;
  for (View before; before.size() != core.size();) {
    before = core;
    core = unwrap(core);
  }
  const View first = trim(first_of(core));
  const Text visible = without_invisible(first);
  const Text joined = without_blanks(visible);
  CleanEmail clean = join(joined);
  if (joined.size() != visible.size()) clean.warning = "held blanks, which were taken out";
  if (visible.size() != first.size()) {
    clean.warning = "held invisible characters, which were taken out";
  }
  if (std::ranges::count(decoded, U'@') > std::ranges::count(first, U'@')) {
    clean.warning = "held several addresses, of which the first was taken";
  }
  return clean;
}

}  // namespace klaviyo
