#include "undeliverable.hpp"

#include <utility>

namespace postbox {
namespace {

constexpr std::size_t kMostWaiting = 1'000;
constexpr std::size_t kMostRules = 5;  // in a line

std::string rules_of(const std::vector<Violation>& violations) {
  std::string text;
  for (std::size_t i = 0; i < violations.size() && i < kMostRules; ++i) {
    if (i > 0) text += "; ";
    text += violations[i].path + " " + violations[i].rule;
  }
  if (violations.size() > kMostRules) {
    text += "; and " + std::to_string(violations.size() - kMostRules) + " more";
  }
  return text;
}

// Two rejections are of one kind when the same fields of the same event break rules, in whichever
// line of the order.
std::string kind_of(std::string_view log_name, const std::vector<Violation>& violations) {
  std::string kind("rejected ");
  kind += log_name;
  for (const Violation& violation : violations) {
    kind += ' ';
    for (const char c : violation.path) {
      if (c < '0' || c > '9') kind += c;
    }
  }
  return kind;
}

}  // namespace

bool Undeliverable::rejected(const EventName& event,
                             const std::vector<Violation>& violations) noexcept {
  const MutexLock lock(mutex_);
  try {
    const bool wakes = rejected_.empty() && beyond_ == 0;
    if (rejected_.size() < kMostWaiting) {
      rejected_.push_back({std::string(event.type), std::string(event.log_name),
                           std::string(event.key), violations});
    } else {
      ++beyond_;
    }
    return wakes;
  } catch (...) {
    ++beyond_;
    return true;
  }
}

void Undeliverable::tell(std::string_view type, std::string_view key,
                         std::string_view reason) noexcept {
  if (!callback_) return;
  try {
    callback_(type, key, reason);
  } catch (...) {
    logger_.log(LogLevel::kError, "Config::on_undeliverable has thrown an exception");
  }
}

void Undeliverable::report_rejected() noexcept {
  std::vector<Rejected> events;
  std::uint64_t beyond = 0;
  {
    const MutexLock lock(mutex_);
    events.swap(rejected_);
    beyond = std::exchange(beyond_, 0);
  }
  for (const Rejected& event : events) {
    try {
      report(event);
    } catch (...) {
      ++beyond;
    }
  }
  if (beyond == 0) return;
  try {
    logger_.log(LogLevel::kError,
                std::to_string(beyond) + " more events were rejected; stats() has all of them");
  } catch (...) {
    // Without memory for a line: stats() has counted them.
  }
}

void Undeliverable::report(const Rejected& event) {
  const std::string rules = rules_of(event.violations);
  const LogLine line = destination_.rejection_line({event.type, event.log_name, event.key}, rules);
  logger_.log_kind(line.level, kind_of(event.log_name, event.violations), line.text);
  tell(event.type, event.key, "rejected: " + rules);
}

}  // namespace postbox
