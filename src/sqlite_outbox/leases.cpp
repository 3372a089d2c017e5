#include "leases.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace postbox::sqlite {

bool Leases::holds(std::int64_t row, SteadyTime now) const {
  const MutexLock lock(mutex_);
  const auto found = leases_.find(row);
  return found != leases_.end() && found->second.until > now;
}

void Leases::add(std::span<const std::int64_t> rows, std::span<const std::int64_t> in_order,
                 const Lease& lease) {
  if (rows.empty()) return;
  const MutexLock lock(mutex_);
  POSTBOX_ASSERT(std::ranges::is_sorted(rows) && rows.front() > 0);
  for (const std::int64_t row : rows) {
    // Nobody claims what another holds; a token is never used twice.
    POSTBOX_ASSERT(!leases_.contains(row) || leases_[row].token != lease.token);
    leases_[row] = lease;
  }
  for (const std::int64_t row : in_order) {
    if (const auto found = leases_.find(row); found != leases_.end()) found->second.in_order = true;
  }
  std::int64_t& through = fronts_[lease.queue].through;
  through = std::max(through, rows.back());
}

std::optional<Lease> Leases::find(std::int64_t row, std::int64_t token) const {
  const MutexLock lock(mutex_);
  const auto found = leases_.find(row);
  if (found == leases_.end() || found->second.token != token) return std::nullopt;
  return found->second;
}

bool Leases::extend(std::int64_t row, std::int64_t token, SteadyTime until) {
  const MutexLock lock(mutex_);
  const auto found = leases_.find(row);
  if (found == leases_.end() || found->second.token != token) return false;
  found->second.until = until;
  return true;
}

void Leases::end(std::span<const std::int64_t> rows) {
  const MutexLock lock(mutex_);
  POSTBOX_ASSERT(rows.size() <= leases_.size());
  for (const std::int64_t row : rows) leases_.erase(row);
}

void Leases::end_all() {
  const MutexLock lock(mutex_);
  leases_.clear();
  fronts_.clear();
}

std::map<std::int64_t, std::uint64_t> Leases::count(SteadyTime now) const {
  std::map<std::int64_t, std::uint64_t> counts;
  const MutexLock lock(mutex_);
  for (const auto& [row, lease] : leases_) {
    if (lease.until > now) ++counts[lease.queue];
  }
  return counts;
}

std::int64_t Leases::leased_through(std::int64_t queue, SteadyTime now) {
  constexpr std::chrono::seconds kInterval{5};
  const MutexLock lock(mutex_);
  Front& front = fronts_[queue];
  POSTBOX_ASSERT(front.through >= 0);
  if (now - front.looked_at >= kInterval) front = {0, now};
  return front.through;
}

void Leases::rescan() {
  const MutexLock lock(mutex_);
  for (auto& [queue, front] : fronts_) front.through = 0;
}

}  // namespace postbox::sqlite
