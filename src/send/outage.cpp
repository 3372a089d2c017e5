#include "outage.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"

namespace postbox {
namespace {

// Reasons that are told apart in one outage.
constexpr std::size_t kMostReasons = 8;

constexpr std::size_t kMostLanes = 64;

}  // namespace

void Outage::failed(std::size_t lane, const std::string& reason, LogLine line, bool is_certain,
                    SteadyTime now) {
  if (!is_failing() && !is_said()) {
    since_ = now;
    failures_ = 0;
    is_certain_ = false;
  }
  POSTBOX_ASSERT(since_ <= now);
  lanes_ |= std::uint64_t{1} << (lane % kMostLanes);
  ++failures_;
  is_certain_ |= is_certain;
  failed_since_said_ = true;
  succeeded_last_ = false;
  failed_at_ = now;
  reason_ = reason;
  line_ = std::move(line);
}

void Outage::succeeded(std::size_t lane) noexcept {
  succeeded_last_ = true;
  lanes_ &= ~(std::uint64_t{1} << (lane % kMostLanes));
}

bool Outage::is_new() const {
  return said_.size() < kMostReasons && std::ranges::find(said_, reason_) == said_.end();
}

// When an outage that has not been said is one.
SteadyTime Outage::begins_at() const noexcept {
  const bool at_once = is_said() || is_certain_ || failures_ > 1;
  return std::max(calm_until_, at_once ? SteadyTime{} : since_ + kPatience);
}

std::optional<Outage::Notice> Outage::take(SteadyTime now) {
  if (seems_over() && (!is_failing() || now >= failed_at_ + kCalm)) {
    Notice over{.is_over = true, .since = since_};
    *this = {};
    calm_until_ = now + kCalm;
    return over;
  }
  if (!is_failing() || !failed_since_said_ || now < begins_at()) return std::nullopt;
  if (!is_new() && now < said_at_ + kReminder) return std::nullopt;
  if (is_new()) said_.push_back(reason_);
  POSTBOX_ASSERT(said_.size() <= kMostReasons && since_ <= now);
  said_at_ = now;
  failed_since_said_ = false;
  return Notice{.line = line_, .since = since_};
}

SteadyTime Outage::next() const noexcept {
  if (seems_over()) return is_failing() ? failed_at_ + kCalm : failed_at_;
  if (!is_failing() || !failed_since_said_) return SteadyTime::max();
  return is_said() ? said_at_ + kReminder : begins_at();
}

}  // namespace postbox
