#include <postbox/event.hpp>

#include <atomic>
#include <cstddef>
#include <iterator>

namespace postbox {

struct SharedTiming::Shared {
  Timing timing;
  std::atomic<std::size_t> holders{1};
};

SharedTiming::SharedTiming(const Timing& timing) : shared_(new Shared{timing}) {}

SharedTiming::SharedTiming(Timing&& timing) : shared_(new Shared{std::move(timing)}) {}

const Timing& SharedTiming::operator*() const noexcept { return shared_->timing; }

void SharedTiming::share() const noexcept {
  shared_->holders.fetch_add(1, std::memory_order_relaxed);
}

void SharedTiming::release() noexcept {
  if (shared_->holders.fetch_sub(1, std::memory_order_acq_rel) == 1) delete shared_;
}

void EventBatch::mend(std::vector<Violation> changes) {
  const auto place = warnings_.begin() + static_cast<std::ptrdiff_t>(mended_);
  mended_ += changes.size();
  warnings_.insert(place, std::make_move_iterator(changes.begin()),
                   std::make_move_iterator(changes.end()));
}

}  // namespace postbox
