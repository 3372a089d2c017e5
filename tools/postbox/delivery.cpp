#include "delivery.hpp"

#include <algorithm>
#include <ostream>
#include <postbox/clock.hpp>
#include <postbox/outbox.hpp>
#include <postbox/services.hpp>
#include <string>
#include <utility>

namespace postbox::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kLittle{20};
constexpr milliseconds kBetweenLooks{200};
constexpr milliseconds kBetweenLines{1'000};
constexpr milliseconds kToStop{5'000};

// Opens the outbox as its sender.
Result<std::shared_ptr<Outbox>> open_to_send(const klaviyo::Config& config) {
  const auto valid = config.engine.validate();
  if (!valid) return valid.error();
  auto outbox = open_outbox((*valid)->outbox, system_clock());
  if (!outbox) return outbox.error();
  const auto due = (*outbox)->due_queues();
  if (due) return outbox;
  if (due.error().code != ErrorCode::kOutboxTaken) return due.error();
  return Error{ErrorCode::kOutboxTaken,
               "another process is the sender of this outbox: it delivers what waits, see "
               "`postbox status`; end it first to deliver from here"};
}

}  // namespace

Result<Delivery> Delivery::start(const AccountOptions& options, Console& console) {
  auto account = open_account_with_key(options);
  if (!account) return account.error();
  klaviyo::Config& config = account->config;
  auto outbox = open_to_send(config);
  if (!outbox) return outbox.error();
  if (console.pause) (void)console.pause({});  // from now on a signal ends the delivery cleanly
  auto writing = std::make_shared<std::mutex>();
  config.engine.log = warnings_to(console.err, writing);
  auto tracker = klaviyo::start(config, Services{.outbox = *std::move(outbox)});
  if (!tracker) return tracker.error();
  return Delivery(std::move(config), *std::move(tracker), std::move(writing));
}

void Delivery::write_progress(Console& console) {
  const Stats stats = tracker_.stats();
  const std::lock_guard lock(*writing_);
  console.err << stats.delivered << " delivered, " << stats.waiting + stats.in_flight << " to go, "
              << stats.dead << " dead, " << stats.held << " held" << std::endl;
}

Result<std::size_t> Delivery::release(const HeldQuery& query, std::size_t max) {
  const std::uint64_t held = tracker_.stats().held;
  const auto released = tracker_.send_held(query, max);
  // Of a family that is off they count as held until they have gone.
  if (released) may_be_held_ = held - std::min<std::uint64_t>(held, *released);
  return released;
}

bool Delivery::is_done() {
  return tracker_.flush(kBetweenLooks) && tracker_.stats().held <= may_be_held_;
}

Delivery::End Delivery::run(milliseconds timeout, Console& console) {
  const auto begin = steady_clock::now();
  auto next_line = begin;
  End end = End::kNothingWaits;
  while (!is_done()) {
    const auto now = steady_clock::now();
    if (now - begin >= timeout) {
      end = End::kTimeout;
      break;
    }
    if (!wait(console, kLittle)) {
      end = End::kInterrupted;
      break;
    }
    if (now < next_line) continue;
    write_progress(console);
    next_line = now + kBetweenLines;
  }
  tracker_.stop(kToStop);
  stats_ = tracker_.stats();
  return end;
}

int write_end(Delivery::End end, const Delivery& delivery, const Json& first, bool as_json,
              Console& console) {
  const Stats& stats = delivery.stats();
  const std::uint64_t left = stats.waiting + stats.in_flight;
  Json json = first;
  json["delivered"] = stats.delivered;
  json["waiting"] = left;
  json["dead"] = stats.dead;
  json["held"] = stats.held;
  json["ended_by"] = end == Delivery::End::kNothingWaits ? "nothing waits"
                     : end == Delivery::End::kTimeout    ? "the timeout"
                                                         : "a signal";
  if (as_json) {
    write_json(console.out, json);
  } else {
    write_members(console.out, json);
  }
  return left == 0 && end == Delivery::End::kNothingWaits ? kDone : kProblem;
}

}  // namespace postbox::cli
