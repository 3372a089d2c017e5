#include <postbox/clock.hpp>

#include <atomic>
#include <random>

namespace postbox {
namespace {

class SystemClock final : public Clock {
 public:
  SteadyTime now() const noexcept override { return std::chrono::steady_clock::now(); }
  WallTime wall_now() const noexcept override {
    return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  }
};

// SplitMix64 (Steele, Lea, Flood 2014): the whole state is one counter, so that threads share it
// with one atomic addition.
class SplitMix final : public Random {
 public:
  explicit SplitMix(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() noexcept override {
    constexpr std::uint64_t kGamma = 0x9E3779B97F4A7C15U;
    std::uint64_t z = state_.fetch_add(kGamma, std::memory_order_relaxed) + kGamma;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31U);
  }

 private:
  std::atomic<std::uint64_t> state_;
};

}  // namespace

std::shared_ptr<Clock> system_clock() { return std::make_shared<SystemClock>(); }

std::shared_ptr<Random> system_random() {
  std::random_device device;
  return seeded_random((static_cast<std::uint64_t>(device()) << 32U) | device());
}

std::shared_ptr<Random> seeded_random(std::uint64_t seed) {
  return std::make_shared<SplitMix>(seed);
}

}  // namespace postbox
