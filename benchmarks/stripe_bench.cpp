// What a webhook costs before its events are tracked: verifying and mapping a body of 5 KB.
// Arguments: calls.
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>
#include <stripe/stripe.hpp>
#include <vector>

#include "figures.hpp"
#include "support/stripe_events.hpp"

namespace postbox::bench {
namespace {

constexpr const char* kSecret = "whsec_benchmark";
const WallTime kNow{std::chrono::seconds(tests::kStripeStart)};

// In Stripe's layout and with as much beside what is read as a real invoice has.
std::string invoice_of_5_kb() {
  constexpr std::size_t kSize = 5'000;
  auto invoice = tests::stripe_invoice("in_1", "subscription_cycle");
  for (int i = 0; tests::stripe_event("invoice.paid", invoice).dump(2).size() < kSize; ++i) {
    invoice["unread_" + std::to_string(i)] = {{"enabled", false}, {"liability", nullptr}};
  }
  return tests::stripe_event("invoice.paid", invoice).dump(2);
}

template <class Call>
double median_ns(std::size_t calls, Call call) {
  std::vector<std::int64_t> each;
  each.reserve(calls);
  for (std::size_t i = 0; i < calls; ++i) {
    const auto start = std::chrono::steady_clock::now();
    call();
    each.push_back((std::chrono::steady_clock::now() - start).count());
  }
  std::ranges::nth_element(each, each.begin() + static_cast<long>(calls / 2));
  return static_cast<double>(each[calls / 2]);
}

void hmac(const std::string& body) {
  std::array<unsigned char, 32> digest{};
  unsigned int size = 0;
  const std::string_view secret = kSecret;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(body.data()), body.size(), digest.data(), &size);
  if (size != digest.size()) std::abort();
}

void verify_and_map(const std::string& body, const std::string& header) {
  const std::vector<std::string> secrets = {kSecret};
  if (stripe::verify(body, header, secrets, kNow) != stripe::SignatureCheck::kValid) std::abort();
  const auto mapping = stripe::to_events(body);
  if (!mapping || mapping->events.size() != 2) std::abort();
}

}  // namespace
}  // namespace postbox::bench

int main(int argc, char** argv) {
  using namespace postbox::bench;
  const std::size_t calls = argc > 1 ? std::stoul(argv[1]) : 100'000;
  const std::string body = invoice_of_5_kb();
  const std::string header = stripe::sign(body, kSecret, kNow);
  const double floor = median_ns(calls, [&] { hmac(body); });
  const std::string what = "a webhook of " + std::to_string(body.size()) + " bytes: ";
  figure(what + "verify, p50, over OpenSSL's HMAC of the same bytes",
         median_ns(calls,
                   [&] {
                     if (stripe::verify(body, header, {kSecret}, kNow) !=
                         stripe::SignatureCheck::kValid) {
                       std::abort();
                     }
                   }),
         "ns", floor, 1.5);
  figure(what + "verify and map, p50", median_ns(calls, [&] { verify_and_map(body, header); }),
         "ns", std::nullopt, 100'000);
}
