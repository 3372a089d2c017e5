#include <algorithm>
#include <array>
#include <klaviyo/ascii.hpp>
#include <klaviyo/reason.hpp>
#include <klaviyo/redact.hpp>
#include <nlohmann/json.hpp>
#include <string_view>

namespace klaviyo {
namespace {

using Json = nlohmann::json;

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

// npos when there is none from `from` on.
std::size_t find_ignoring_case(std::string_view text, std::string_view part, std::size_t from) {
  const auto found =
      std::search(text.begin() + static_cast<std::ptrdiff_t>(from), text.end(), part.begin(),
                  part.end(), [](char x, char y) { return lower(x) == lower(y); });
  return found == text.end() ? std::string_view::npos
                             : static_cast<std::size_t>(found - text.begin());
}

bool contains_ignoring_case(std::string_view text, std::string_view part) {
  return find_ignoring_case(text, part, 0) != std::string_view::npos;
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

constexpr bool is_word(char c) {
  return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9');
}

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

// True when it stands in an event's payload as anything but the name of a member, which is the
// program's own. A short one counts as a whole word alone.
bool is_value(std::string_view text, std::string_view payload) {
  constexpr std::size_t kShort = 4;
  for (auto at = find_ignoring_case(payload, text, 0); at != std::string_view::npos;
       at = find_ignoring_case(payload, text, at + 1)) {
    const std::string_view behind = payload.substr(at + text.size());
    const char before = at == 0 ? ' ' : payload[at - 1];
    const bool is_member = before == '"' && behind.starts_with("\":");
    const bool is_inside =
        text.size() < kShort && (is_word(before) || (!behind.empty() && is_word(behind.front())));
    if (!is_member && !is_inside) return true;
  }
  return false;
}

bool any_holds(Events events, std::string_view text) {
  return std::ranges::any_of(
      events, [text](const postbox::EventRecord* event) { return is_value(text, event->payload); });
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
    if (!word.empty() && !is_common(word) && any_holds(events, word)) return false;
    detail.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return true;
}

// "duplicate_profile"; nothing for what is no such word, or stands in an event.
std::string_view code_of(const Json& error, Events events) {
  constexpr std::size_t kLongest = 64;
  const std::string_view code = text_member(error, "code");
  const bool is_code =
      code.size() <= kLongest && std::ranges::all_of(code, [](char c) {
        return is_word(c) || std::string_view("_-.").find(c) != std::string_view::npos;
      });
  return is_code && (is_common(code) || !any_holds(events, code)) ? code : std::string_view();
}

// Names of the API, which events have among their values, too: "type": "profile".
bool is_place(std::string_view segment) {
  constexpr std::array<std::string_view, 12> kPlaces = {
      "data",    "attributes", "profile", "profiles", "properties", "metric",
      "metrics", "events",     "event",   "name",     "value",      "type"};
  return std::ranges::all_of(segment, [](char c) { return c >= '0' && c <= '9'; }) ||
         std::ranges::find(kPlaces, segment) != kPlaces.end();
}

// A pointer into the request, or the name of a parameter; nothing for what is neither, or quotes an
// event.
std::string_view shown_pointer(std::string_view pointer, Events events) {
  const auto is_plain = [](char c) {
    return is_word(c) || (static_cast<unsigned char>(c) & 0x80U) != 0 ||
           std::string_view("/_-.$[] ").find(c) != std::string_view::npos;
  };
  if (!std::ranges::all_of(pointer, is_plain)) return {};
  for (std::string_view rest = pointer; !rest.empty();) {
    const std::string_view segment = rest.substr(0, rest.find('/'));
    if (!is_place(segment) && any_holds(events, segment)) return {};
    rest.remove_prefix(std::min(segment.size() + 1, rest.size()));
  }
  return pointer;
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
  const std::string_view title = text_member(error, "title");
  const std::string_view detail = text_member(error, "detail");
  const std::string_view pointer = pointer_of(error);
  append_part(reason, " ", code_of(error, events));
  if (quotes_nothing(title, events)) append_part(reason, ": ", title);
  append_part(reason, " (", shown_pointer(pointer, events), ")");
  Refusal refusal{.reason = redact(reason, kMaxReasonBytes),
                  .pointer = redact(shown_pointer(pointer, events), kMaxReasonBytes),
                  .blames_key = blames_key(code, detail, pointer, events),
                  .blames_list = std::ranges::any_of(
                      std::array{code, title, detail, pointer},
                      [](std::string_view part) { return contains_ignoring_case(part, "list"); })};
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
