// Whatever an answer's headers say, waits are bounded and limits are numbers. The input is lines:
// Retry-After, then ratelimit-limit, -remaining and -reset.
#include <klaviyo/destination.hpp>
#include <klaviyo/retry_after.hpp>

#include "fuzz_input.hpp"

using namespace postbox::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest = text_of(data, size);
  const std::string_view retry_after = take_line(rest);
  const postbox::WallTime now(std::chrono::seconds(1'800'000'000));
  if (const auto wait = klaviyo::parse_retry_after(retry_after, now)) {
    require(wait->count() >= 0 && *wait <= klaviyo::kMaxRetryAfter);
  }
  postbox::HttpResponse response;
  response.status = 429;
  response.headers = {{"retry-after", std::string(retry_after)},
                      {"ratelimit-limit", std::string(take_line(rest))},
                      {"ratelimit-remaining", std::string(take_line(rest))},
                      {"ratelimit-reset", std::string(take_line(rest))}};
  static const klaviyo::Destination destination({"pk_fuzz", "https://a.klaviyo.com", "2026-10-15"});
  const postbox::EventRecord record;
  const std::vector<const postbox::EventRecord*> events{&record};
  const auto verdict = destination.verdict(response, events, now);
  require(verdict.kind == postbox::VerdictKind::kPause);
  if (verdict.rate)
    require(verdict.rate->limit > 0 && verdict.rate->reset <= std::chrono::hours(1));
  return 0;
}
