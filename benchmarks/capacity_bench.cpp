// The room that the defaults give: for a burst that comes in one go, and for an outage that lasts.
// Arguments: orders.
#include <atomic>
#include <cstdlib>
#include <functional>
#include <klaviyo/klaviyo.hpp>
#include <string>
#include <thread>
#include <vector>

#include <postbox/services.hpp>
#include <postbox/testing/scripted_http_client.hpp>

#include "figures.hpp"
#include "shoppers.hpp"
#include "support/temporary_folder.hpp"

namespace postbox::bench {
namespace {

// Workers and disk as in a shop; Klaviyo does not answer.
class Outage {
 public:
  Outage() {
    http_->hang(true);
    klaviyo::Config config;
    config.api_key = "pk_benchmark";
    config.engine.outbox.url = "sqlite:" + folder_.file("outbox.db");
    config.engine.log_level = LogLevel::kOff;
    for (const Family& family : klaviyo::kFamilies) config.set(family, Flag::on());
    max_disk_ = config.engine.outbox.max_disk;
    tracker_.emplace(klaviyo::start(std::move(config), {.http = http_}).value());
  }

  Tracker& tracker() { return *tracker_; }
  [[nodiscard]] Bytes max_disk() const noexcept { return max_disk_; }

  // Returns what the file takes once everything is in it, `last` behind it.
  double bytes_on_disk(const klaviyo::Order& last) {
    (void)tracker_->track_durably(klaviyo::order_placed(last), std::chrono::minutes(5));
    tracker_->stop(std::chrono::milliseconds(100));  // requests hang
    tracker_.reset();                                // the log goes into the file
    return static_cast<double>(std::filesystem::file_size(folder_.file("outbox.db")));
  }

 private:
  tests::TemporaryFolder folder_;
  std::shared_ptr<testing::ScriptedHttpClient> http_ =
      std::make_shared<testing::ScriptedHttpClient>();
  Bytes max_disk_;
  std::optional<Tracker> tracker_;
};

// Events that a burst of `calls` in one go had refused.
template <class Event>
double refused(std::size_t calls, std::size_t threads, Event event) {
  Outage outage;
  std::vector<std::thread> callers;
  for (std::size_t caller = 0; caller < threads; ++caller) {
    callers.emplace_back([&, caller] {
      for (std::size_t i = caller; i < calls; i += threads) outage.tracker().track(event(i));
    });
  }
  for (std::thread& caller : callers) caller.join();
  return static_cast<double>(outage.tracker().stats().full);
}

void report_bursts(std::size_t calls) {
  const auto order = [](std::size_t i) { return klaviyo::order_placed(make_order(i)); };
  const std::string burst = "a burst of " + std::to_string(calls);
  for (const std::size_t threads : {1, 4}) {
    figure(burst + " orders of four events, " + std::to_string(threads) +
               (threads == 1 ? " caller" : " callers") + ": events refused as full",
           refused(calls, threads, order), "events", std::nullopt, 0);
  }
}

void report_outage(std::size_t orders) {
  Outage outage;
  for (std::size_t i = 0; i < orders; ++i) {
    while (!outage.tracker().track(klaviyo::order_placed(make_order(i)))) {
      std::this_thread::yield();  // the disk is slower than this loop
    }
  }
  const double each = outage.bytes_on_disk(make_order(orders)) / static_cast<double>(orders);
  const double seconds = static_cast<double>(outage.max_disk().count) / each;
  figure("an outage: disk that a placed order of three lines takes", each, "bytes", std::nullopt,
         std::nullopt);
  figure("an outage: hours of one order a second that POSTBOX_MAX_DISK holds by default",
         seconds / 3'600, "hours", std::nullopt, std::nullopt);
  figure("an outage: 72 h over those hours", 72 * 3'600 / seconds, "ratio", std::nullopt, 1);
}

}  // namespace
}  // namespace postbox::bench

int main(int argc, char** argv) {
  const std::size_t orders = argc > 1 ? std::stoul(argv[1]) : 20'000;
  postbox::bench::report_bursts(orders);
  postbox::bench::report_outage(orders);
}
