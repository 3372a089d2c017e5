// Refusal is what an error answer says: a line that may be logged, and what may be stored with the
// event in addition.
//
// Place:     used by Destination::verdict().
// Threads:   pure functions.
// Lifetime:  owns its text.
// Failure:   a body that is not JSON:API, such as an HTML page, is no failure: the status remains.
#pragma once

#include <cstddef>
#include <postbox/event.hpp>
#include <postbox/http_client.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace klaviyo {

inline constexpr std::size_t kMaxReasonBytes = 300;

struct Refusal {
  // "HTTP 400 invalid: Invalid input. (/data/attributes/value)", at most kMaxReasonBytes. Addresses
  // and keys are masked in it, and what seems to quote the event is left out.
  std::string reason;

  // "; detail: Not a number.", for the dead letter: the body's `detail`, unless it seems to quote
  // the event. Names and streets have no form by which they could be masked. Empty otherwise.
  std::string detail{};

  // The place that the first error blames; empty when that seems to quote the event.
  std::string pointer{};

  // The places that the answer blames, as they were said, one for each of its errors that names
  // one.
  std::vector<std::string> pointers{};

  // The answer speaks of the key, whatever its status: Klaviyo documents 400 for an invalid or
  // missing one.
  bool blames_key = false;

  // The answer speaks of a list.
  bool blames_list = false;
};

[[nodiscard]] Refusal read_refusal(const postbox::HttpResponse& response,
                                   std::span<const postbox::EventRecord* const> events = {});

// The reason as it may be logged: without the detail.
[[nodiscard]] std::string_view without_detail(std::string_view reason);

// True for a page of the network before Klaviyo (a challenge, a gateway's error), not an answer of
// the API.
[[nodiscard]] bool is_edge_page(const postbox::HttpResponse& response);

// True for an error that the API itself has written: JSON:API errors. False for the pages and
// bodies of proxies, filters and load balancers. An empty body is nobody's in particular.
[[nodiscard]] bool is_api_error(const postbox::HttpResponse& response);

// The last header `name` (lower case) in whatever case it arrived; empty when there is none.
[[nodiscard]] std::string_view find_header(const postbox::HttpResponse& response,
                                           std::string_view name);

// "no answer: connect: …"
[[nodiscard]] std::string describe(const postbox::TransportFailure& failure);

}  // namespace klaviyo
