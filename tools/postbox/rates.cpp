#include "rates.hpp"

#include <cstdint>

namespace postbox::cli {
namespace {

double per_second(std::uint64_t before, std::uint64_t now, std::chrono::duration<double> time) {
  return now < before || time.count() <= 0 ? 0 : static_cast<double>(now - before) / time.count();
}

}  // namespace

Rates rates_between(const Look& before, const Look& now) {
  const auto time = now.at - before.at;
  return {per_second(before.totals.appended, now.totals.appended, time),
          per_second(before.totals.delivered, now.totals.delivered, time)};
}

Json json_of(const Rates& rates) {
  return {{"accepted_per_second", rates.accepted}, {"delivered_per_second", rates.delivered}};
}

}  // namespace postbox::cli
