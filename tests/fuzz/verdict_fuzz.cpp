// Any answer gets a verdict whose reason is short and without control characters. The input is a
// status (two bytes), a Retry-After up to the first line break, and a body.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <klaviyo/destination.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  static const klaviyo::Destination destination({"pk_fuzz", "https://a.klaviyo.com", "2026-10-15"});
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto line = text.find('\n');
  postbox::HttpResponse response;
  response.status = (data[0] << 8 | data[1]) % 700;
  response.headers = {{"retry-after", std::string(text.substr(0, line))},
                      {"content-type", "application/vnd.api+json"}};
  if (line != std::string_view::npos) response.body = text.substr(line + 1);
  const postbox::EventRecord record;
  const std::vector<const postbox::EventRecord*> events(1 + size % 3, &record);
  const auto verdict = destination.verdict(response, events, postbox::WallTime{});
  for (const std::size_t culprit : verdict.culprits) {
    if (culprit >= events.size()) std::abort();
  }
  for (const char c : verdict.reason) {
    if (static_cast<unsigned char>(c) < 0x20) std::abort();
  }
  if (verdict.retry_after && verdict.retry_after->count() < 0) std::abort();
  if (verdict.retry_after && *verdict.retry_after > std::chrono::hours(1)) std::abort();
  return 0;
}
