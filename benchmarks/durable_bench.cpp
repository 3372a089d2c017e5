// track_durably() back to back, by one caller and by many, beside the least: the same bytes
// appended to a log file that many callers sync together. Then track() in a rhythm while the disk
// is slow. Arguments: seconds for each measurement.
#include <fcntl.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <klaviyo/klaviyo.hpp>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <postbox/services.hpp>
#include <postbox/testing/scripted_http_client.hpp>

#include "figures.hpp"
#include "pace.hpp"
#include "shoppers.hpp"
#include "support/fault_vfs.hpp"
#include "support/temporary_folder.hpp"

namespace postbox::bench {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

klaviyo::PurchaseEvents order_of(std::size_t i) {
  return klaviyo::order_placed(make_short_order(i));
}

// Workers and disk as in a shop; Klaviyo answers at once.
class Shop {
 public:
  Shop() {
    http_->on_request(
        [](const HttpRequest&) { return testing::ScriptedHttpClient::answer(202, ""); });
    klaviyo::Config config;
    config.api_key = "pk_benchmark";
    config.engine.outbox.url = "sqlite:" + folder_.file("outbox.db");
    config.engine.log_level = LogLevel::kError;
    for (const Family& family : klaviyo::kFamilies) config.set(family, Flag::on());
    tracker_.emplace(klaviyo::start(std::move(config), {.http = http_}).value());
  }
  ~Shop() { tracker_->stop(10s); }

  Tracker& tracker() { return *tracker_; }

 private:
  tests::TemporaryFolder folder_;
  std::shared_ptr<testing::ScriptedHttpClient> http_ =
      std::make_shared<testing::ScriptedHttpClient>();
  std::optional<Tracker> tracker_;
};

// A file that many append to: whoever comes first writes and syncs what has gathered.
class Log {
 public:
  explicit Log(const std::string& path) : file_(::open(path.c_str(), O_CREAT | O_WRONLY, 0600)) {
    if (file_ < 0) std::exit(1);
  }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;
  ~Log() { ::close(file_); }

  void append(const std::string& bytes) {
    std::unique_lock lock(mutex_);
    gathered_ += bytes;
    const std::uint64_t own = ++appended_;
    while (synced_ < own) {
      if (is_syncing_) {
        changed_.wait(lock);
        continue;
      }
      is_syncing_ = true;
      const std::string batch = std::exchange(gathered_, {});
      const std::uint64_t through = appended_;
      lock.unlock();
      if (::write(file_, batch.data(), batch.size()) < 0 || ::fdatasync(file_) != 0) std::exit(1);
      lock.lock();
      is_syncing_ = false;
      synced_ = through;
      changed_.notify_all();
    }
  }

 private:
  const int file_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string gathered_;
  std::uint64_t appended_ = 0;
  std::uint64_t synced_ = 0;
  bool is_syncing_ = false;
};

struct BackToBack {
  Measured calls;
  double cpu_us = 0;
  double written = 0;
};

BackToBack run(std::size_t callers, std::chrono::seconds time,
               const std::function<void(std::size_t)>& call) {
  BackToBack result;
  std::mutex mutex;
  const auto end = steady_clock::now() + time;
  const Usage before = Usage::now();
  std::vector<std::thread> threads;
  for (std::size_t caller = 0; caller < callers; ++caller) {
    threads.emplace_back([&, caller] {
      Measured own;
      for (std::size_t i = caller; steady_clock::now() < end; i += callers) {
        const auto start = steady_clock::now();
        call(i);
        own.each.push_back(static_cast<double>((steady_clock::now() - start).count()));
      }
      const std::lock_guard lock(mutex);
      result.calls.each.insert(result.calls.each.end(), own.each.begin(), own.each.end());
    });
  }
  for (std::thread& thread : threads) thread.join();
  const Usage after = Usage::now();
  const auto n = static_cast<double>(result.calls.each.size());
  result.cpu_us = (after.cpu_us - before.cpu_us) / n;
  result.written = (after.written - before.written) / n;
  return result;
}

void report_durable(std::size_t callers, std::chrono::seconds time) {
  const tests::TemporaryFolder folder;
  Log log(folder.file("log"));
  const std::string payload = payload_of(order_of(0));
  BackToBack floor = run(callers, time, [&](std::size_t) { log.append(payload); });
  Shop shop;
  BackToBack durable = run(callers, time, [&](std::size_t i) {
    if (!shop.tracker().track_durably(order_of(i), 60s)) std::exit(1);
  });
  const std::string name = "track_durably() back to back, " + std::to_string(callers) +
                           (callers == 1 ? " caller: " : " callers: ");
  figure(name + "p50", durable.calls.quantile(0.5) / 1e3, "us", floor.calls.quantile(0.5) / 1e3,
         1.25);
  figure(name + "p99", durable.calls.quantile(0.99) / 1e3, "us", floor.calls.quantile(0.99) / 1e3,
         std::nullopt);
  figure(name + "CPU of an event", durable.cpu_us, "us", floor.cpu_us, std::nullopt);
  figure(name + "written for an event", durable.written / 1e3, "KB", floor.written / 1e3,
         std::nullopt);
}

// Whoever tracks does not wait for the disk, however slow it is.
void report_slow_disk(std::chrono::milliseconds sync, std::chrono::seconds time) {
  constexpr std::size_t kRate = 50;
  testing::FaultVfs::slow_syncs(sync);
  const std::size_t calls = kRate * static_cast<std::size_t>(time.count());
  std::vector<klaviyo::PurchaseEvents> events;
  for (std::size_t i = 0; i < calls; ++i) events.push_back(order_of(i));
  {
    Shop shop;
    Measured measured = pace(calls, std::chrono::nanoseconds(1s) / kRate,
                             [&](std::size_t i) { (void)shop.tracker().track(events[i]); });
    const std::string name =
        "track() at 50 a second, a sync takes " + std::to_string(sync.count()) + " ms more: ";
    for (const auto& [what, q] : {std::pair("p50", 0.5), {"p99", 0.99}}) {
      figure(name + what, measured.quantile(q) / 1e3, "us", std::nullopt, std::nullopt);
    }
  }
  testing::FaultVfs::slow_syncs(0ms);
}

}  // namespace
}  // namespace postbox::bench

int main(int argc, char** argv) {
  using namespace postbox::bench;
  const std::chrono::seconds time(argc > 1 ? std::stoi(argv[1]) : 5);
  postbox::testing::FaultVfs::install();
  for (const std::size_t callers : {1U, 4U, 16U}) report_durable(callers, time);
  for (const int sync : {0, 2, 20, 200}) report_slow_disk(std::chrono::milliseconds(sync), time);
}
