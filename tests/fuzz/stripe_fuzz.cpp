// Whatever a body and a header are: no crash; events that encode or are refused with a reason; no
// refund beyond what was given back; a signature that only a secret makes. The input is a header up
// to the first line break, and a body.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <stripe/events.hpp>
#include <stripe/signature.hpp>

namespace {

void check_signature(std::string_view header, std::string_view body) {
  const postbox::WallTime now{std::chrono::seconds(1'780'000'000)};
  const std::vector<std::string> secrets = {"whsec_fuzz"};
  if (stripe::verify(body, header, secrets, now) == stripe::SignatureCheck::kValid) std::abort();
  const std::string good = stripe::sign(body, secrets.front(), now);
  const auto check = stripe::verify(body, good, secrets, now);
  if ((check == stripe::SignatureCheck::kValid) != !body.empty()) std::abort();
}

// A refund is a part of what was given back in all, and an order has a price.
void check_money(const stripe::Event& event) {
  if (const auto* placed = std::get_if<stripe::OrderPlaced>(&event)) {
    const auto& total = placed->order().total;
    if (!total || total->count <= 0) std::abort();
  }
  if (const auto* order = std::get_if<klaviyo::OrderEvent>(&event)) {
    const auto* refund = std::get_if<klaviyo::Refund>(&order->details());
    if (refund == nullptr || !refund->amount || refund->amount->count <= 0 ||
        !refund->total_refunded || *refund->amount > *refund->total_refunded) {
      std::abort();
    }
  }
}

void check_events(std::string_view body) {
  const postbox::WallTime now{std::chrono::seconds(1'780'000'000)};
  const auto mapping = stripe::to_events(body, {.test_mode = true, .find_fact = {}});
  if (!mapping) {
    if (mapping.error().code != postbox::ErrorCode::kInvalidArgument) std::abort();
    return;
  }
  if (mapping->events.empty() == mapping->ignored.empty()) std::abort();
  for (const stripe::Event& event : mapping->events) {
    check_money(event);
    postbox::EventBatch batch(now);
    std::visit([&](const auto& typed) { typed.encode(batch); }, event);
    if (batch.records().empty() == batch.violations().empty()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto line = text.find('\n');
  const auto body = line == std::string_view::npos ? std::string_view() : text.substr(line + 1);
  check_signature(text.substr(0, line), body);
  check_events(body);
  return 0;
}
