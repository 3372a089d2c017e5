#include <algorithm>
#include <array>
#include <klaviyo/reason.hpp>
#include <klaviyo/redact.hpp>
#include <nlohmann/json.hpp>
#include <string_view>

namespace klaviyo {
namespace {

using Json = nlohmann::json;

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

bool contains_ignoring_case(std::string_view text, std::string_view part) {
  return std::search(text.begin(), text.end(), part.begin(), part.end(),
                     [](char x, char y) { return lower(x) == lower(y); }) != text.end();
}

// A view of the member's text; empty when it is missing or of another type. Nothing throws.
std::string_view text_member(const Json& object, const char* name) {
  if (!object.is_object()) return {};
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return {};
  return *found->get_ptr<const Json::string_t*>();
}

const Json* member(const Json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

const Json* errors_of(const Json& body) {
  const Json* errors = member(body, "errors");
  return errors == nullptr || !errors->is_array() || errors->empty() ? nullptr : errors;
}

std::string_view pointer_of(const Json& error) {
  const Json* source = member(error, "source");
  if (source == nullptr) return {};
  const std::string_view pointer = text_member(*source, "pointer");
  return pointer.empty() ? text_member(*source, "parameter") : pointer;
}

using Events = std::span<const postbox::EventRecord* const>;

constexpr std::string_view kDetail = "; detail: ";

bool any_contains(Events events, std::string_view text) {
  return std::ranges::any_of(events, [text](const postbox::EventRecord* event) {
    return contains_ignoring_case(event->payload, text);
  });
}

// A detail that speaks of an API key may quote one out of the event: one shop's property must not
// stop everything.
bool blames_key(std::string_view code, std::string_view detail, std::string_view pointer,
                Events events) {
  constexpr std::array<std::string_view, 3> kCodes = {"not_authenticated", "authentication_failed",
                                                      "permission_denied"};
  constexpr std::string_view kKey = "api key";
  return std::find(kCodes.begin(), kCodes.end(), code) != kCodes.end() ||
         (contains_ignoring_case(detail, kKey) && !pointer.starts_with("/data/attributes") &&
          !any_contains(events, kKey));
}

constexpr bool is_word(char c) {
  return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9');
}

// Words of a sentence that say nothing, although they may be part of a value, too.
bool is_common(std::string_view word) {
  constexpr std::array<std::string_view, 28> kCommon = {
      "a",   "an",   "and",   "are",   "as",      "at",    "be",    "by",    "for",  "in",
      "is",  "it",   "must",  "not",   "of",      "on",    "or",    "the",   "this", "to",
      "was", "with", "field", "value", "invalid", "valid", "input", "number"};
  return word.size() == 1 || std::ranges::find(kCommon, word) != kCommon.end();
}

// True when nothing in the detail can come out of the events: no quotation, no letter that English
// has not, and no word that stands in them.
bool quotes_nothing(std::string_view detail, Events events) {
  const auto is_plain = [](char c) {
    return is_word(c) || std::string_view(" .,:;()-_/!?").find(c) != std::string_view::npos;
  };
  if (!std::ranges::all_of(detail, is_plain)) return false;
  while (!detail.empty()) {
    const auto end = std::ranges::find_if_not(detail, is_word);
    const auto length = static_cast<std::size_t>(end - detail.begin());
    const std::string_view word = detail.substr(0, length);
    if (!word.empty() && !is_common(word) && any_contains(events, word)) return false;
    detail.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return true;
}

void append_part(std::string& reason, std::string_view before, std::string_view text,
                 std::string_view after = {}) {
  if (text.empty()) return;
  reason += before;
  reason += text;
  reason += after;
}

}  // namespace

Refusal read_refusal(const postbox::HttpResponse& response, Events events) {
  std::string reason = "HTTP " + std::to_string(response.status);
  const Json body = Json::parse(response.body, nullptr, /*allow_exceptions=*/false);
  const Json* errors = errors_of(body);
  if (errors == nullptr) {
    reason += is_edge_page(response) ? " (a web page, not the API)" : " (no reason given)";
    return {.reason = std::move(reason)};
  }
  const Json& error = errors->front();
  const std::string_view code = text_member(error, "code");
  const std::string_view detail = text_member(error, "detail");
  const std::string_view pointer = pointer_of(error);
  append_part(reason, " ", code);
  append_part(reason, ": ", text_member(error, "title"));
  append_part(reason, " (", pointer, ")");
  Refusal refusal{.reason = redact(reason, kMaxReasonBytes),
                  .blames_key = blames_key(code, detail, pointer, events)};
  if (!detail.empty() && quotes_nothing(detail, events)) {
    const std::size_t taken = std::min(refusal.reason.size() + kDetail.size(), kMaxReasonBytes);
    append_part(refusal.detail, kDetail, redact(detail, kMaxReasonBytes - taken));
  }
  for (const Json& one : *errors) {
    if (const auto place = pointer_of(one); !place.empty()) refusal.pointers.emplace_back(place);
  }
  return refusal;
}

std::string_view without_detail(std::string_view reason) {
  return reason.substr(0, reason.find(kDetail));
}

bool is_edge_page(const postbox::HttpResponse& response) {
  if (!find_header(response, "cf-mitigated").empty()) return true;
  if (contains_ignoring_case(find_header(response, "content-type"), "text/html")) return true;
  const std::size_t first = response.body.find_first_not_of(" \t\r\n");
  return first != std::string::npos && response.body[first] == '<';
}

bool is_api_error(const postbox::HttpResponse& response) {
  const Json body = Json::parse(response.body, nullptr, /*allow_exceptions=*/false);
  if (errors_of(body) != nullptr) return true;
  // A refusal of a thousand events may be too long to be kept whole.
  constexpr std::size_t kHead = 200;
  return body.is_discarded() && !is_edge_page(response) &&
         contains_ignoring_case(find_header(response, "content-type"), "json") &&
         std::string_view(response.body).substr(0, kHead).find("\"errors\"") !=
             std::string_view::npos;
}

std::string_view find_header(const postbox::HttpResponse& response, std::string_view name) {
  for (auto it = response.headers.rbegin(); it != response.headers.rend(); ++it) {
    if (equals_ignoring_case(it->first, name)) return it->second;
  }
  return {};
}

std::string describe(const postbox::TransportFailure& failure) {
  std::string reason = "no answer: ";
  reason += postbox::name_of(failure.fault);
  append_part(reason, ": ", failure.detail);
  return redact(reason, kMaxReasonBytes);
}

}  // namespace klaviyo
