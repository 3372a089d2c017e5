#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>

#include <postbox/config.hpp>

namespace postbox {
namespace {

constexpr std::string_view kBlank = " \t\r";

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

bool is_name(std::string_view text) {
  constexpr std::string_view kFirst = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
  return !text.empty() && kFirst.find(text.front()) != std::string_view::npos &&
         text.find_first_not_of(
             "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789") ==
             std::string_view::npos;
}

// Cut a comment: a '#' at the start or after a blank. "pk_a#b" is a value, not a comment.
std::string_view without_comment(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '#' && (i == 0 || kBlank.find(text[i - 1]) != std::string_view::npos)) {
      return trim(text.substr(0, i));
    }
  }
  return text;
}

std::optional<std::string> parse_value(std::string_view text) {
  if (text.empty() || (text.front() != '"' && text.front() != '\'')) {
    return std::string(without_comment(text));
  }
  const auto end = text.find(text.front(), 1);
  if (end == std::string_view::npos) return std::nullopt;
  if (!without_comment(trim(text.substr(end + 1))).empty()) return std::nullopt;
  return std::string(text.substr(1, end - 1));
}

// Returns zero, or the error's number. A stream would throw where `file` is a folder.
int read_all(const std::string& file, std::string& text) {
  struct Close {
    void operator()(std::FILE* stream) const noexcept { (void)std::fclose(stream); }
  };
  const std::unique_ptr<std::FILE, Close> stream(std::fopen(file.c_str(), "rbe"));
  if (!stream) return errno;
  std::array<char, 4'096> chunk{};
  while (const std::size_t size = std::fread(chunk.data(), 1, chunk.size(), stream.get())) {
    text.append(chunk.data(), size);
  }
  return std::ferror(stream.get()) != 0 ? errno : 0;
}

// Never quotes the line: it may hold a secret.
Error bad_line(std::size_t number, std::string_view why) {
  return Error{ErrorCode::kInvalidConfig, "line " + std::to_string(number) + ": " +
                                              std::string(why) +
                                              "; accepted are NAME=VALUE, comments (#) and "
                                              "blank lines"};
}

}  // namespace

Result<Environment> Environment::parse(std::string_view text) {
  Environment environment;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = text.find('\n');
    std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || line.front() == '#') continue;
    if (line.starts_with("export ")) line = trim(line.substr(7));
    const auto equals = line.find('=');
    if (equals == std::string_view::npos) return bad_line(number, "no '='");
    const auto name = trim(line.substr(0, equals));
    if (!is_name(name)) return bad_line(number, "not a variable's name before '='");
    auto value = parse_value(trim(line.substr(equals + 1)));
    if (!value) return bad_line(number, "a quote that does not close, or text after it");
    environment.values_.insert_or_assign(std::string(name), *std::move(value));
  }
  return environment;
}

Result<Environment> Environment::load(const std::string& file) {
  Environment environment;
  std::string text;
  if (const int failed = read_all(file, text); failed == 0) {
    auto parsed = parse(text);
    if (!parsed) return parsed.error().with_context(file);
    environment = *std::move(parsed);
  } else if (failed != ENOENT) {
    return Error{ErrorCode::kInvalidConfig, file + ": " + std::generic_category().message(failed)};
  }
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view pair(*entry);
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos) continue;
    environment.values_.insert_or_assign(std::string(pair.substr(0, equals)),
                                         std::string(pair.substr(equals + 1)));
  }
  return environment;
}

std::optional<std::string> Environment::get(std::string_view name) const {
  const auto found = values_.find(name);
  if (found == values_.end() || trim(found->second).empty()) return std::nullopt;
  return std::string(trim(found->second));
}

}  // namespace postbox
