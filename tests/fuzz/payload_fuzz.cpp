// Whatever lies in the outbox is decoded or reported, never trusted.
#include <cstdint>
#include <string_view>

#include <klaviyo/encode.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto payload = klaviyo::decode(text)) {
    std::size_t sum = payload->log_name.size() + payload->subject.size();
    for (const char c : payload->profile) sum += static_cast<unsigned char>(c);
    return sum == static_cast<std::size_t>(-1) ? 1 : 0;
  }
  return 0;
}
