#include "store.hpp"

#include <random>
#include <utility>

namespace postbox::postgres {
namespace {

constexpr std::int64_t kParts = 64;  // rows of postbox_totals

}  // namespace

Store::Store(const Schema& schema, std::string uri, std::chrono::milliseconds limit,
             std::shared_ptr<Clock> clock, TimeSource source)
    : schema_(schema),
      uri_(std::move(uri)),
      limit_(limit),
      first_part_(std::random_device{}() % kParts),
      time_(std::move(clock), source) {}

Store::~Store() {
  const NoFork no_fork;
  for (Place& place : places_) {
    const MutexLock lock(place.mutex);
    place.session.reset();
  }
  withdraw();
}

Session& Store::connect(Place& place) {
  if (place.session.has_value()) return *place.session;
  const std::int64_t part = (first_part_ + (&place - places_.data())) % kParts;
  place.session.emplace(Session{Connection(uri_, limit_), time_, part});
  try {
    migrate(*place.session, schema_);
  } catch (...) {
    place.session.reset();
    throw;
  }
  return *place.session;
}

bool Store::after_failure(const Failure& failure, Place& place, bool was_open) {
  if (failure.connection() == Failure::Connection::kGood) return false;
  place.session.reset();
  return was_open && failure.connection() == Failure::Connection::kBroken;
}

bool Store::give_up() noexcept {
  for (Place& place : places_) {
    const MutexLock lock(place.mutex);
    if (place.session.has_value()) place.session->connection.abandon();
    place.session.reset();
  }
  return true;
}

}  // namespace postbox::postgres
