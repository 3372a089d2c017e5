#include "status.hpp"

#include <algorithm>
#include <ostream>
#include <utility>

#include "account.hpp"
#include "selection.hpp"

namespace postbox::cli {
namespace {

std::uint64_t rows_of(const QueueStatus& queue) {
  return queue.waiting + queue.delayed + queue.held + queue.dead;
}

void add_counts(const QueueStats& stats, QueueStatus& queue) {
  queue.dead = stats.dead;
  queue.held = stats.held;
  const bool is_off = queue.flag && queue.flag->is_off();
  if (is_off) {
    queue.held += stats.ready + stats.leased + stats.delayed;
    return;
  }
  queue.waiting = stats.ready + stats.leased;
  queue.delayed = stats.delayed;
  queue.oldest = stats.oldest;
}

std::vector<QueueStatus> queues_of(const klaviyo::Config& config,
                                   const std::vector<QueueStats>& all) {
  std::vector<QueueStatus> queues;
  for (const Family& family : klaviyo::every_queue(config.own_families)) {
    queues.push_back({.name = name_of(family.queue, config),
                      .queue = family.queue,
                      .flag = config.flag(family)});
  }
  for (const QueueStats& stats : all) {
    auto found = std::ranges::find(queues, stats.queue, &QueueStatus::queue);
    if (found == queues.end()) {
      queues.push_back({.name = name_of(stats.queue, config), .queue = stats.queue});
      found = std::prev(queues.end());
    }
    add_counts(stats, *found);
  }
  return queues;
}

bool is_history(const QueueStatus& queue) {
  return static_cast<std::uint32_t>(queue.queue) > klaviyo::kLastOwnQueue;
}

void find_dead(const Status& status, std::vector<std::string>& problems) {
  std::uint64_t dead = 0;
  for (const QueueStatus& queue : status.queues) dead += queue.dead;
  if (dead == 0) return;
  problems.push_back(counted(dead, "dead letter") +
                     ", which Klaviyo refused or which were tried for too long: see postbox dead "
                     "list");
}

// What waits longer than is usual: history takes its time, and carts their own besides.
void find_old(const Status& status, const klaviyo::Config& config,
              std::chrono::milliseconds max_wait, std::vector<std::string>& problems) {
  for (const QueueStatus& queue : status.queues) {
    const bool is_cart = queue.queue == klaviyo::kCart.queue;
    const auto most = max_wait + (is_cart ? config.cart_quiet_time : std::chrono::milliseconds(0));
    if (is_history(queue) || !queue.oldest || *queue.oldest <= most) continue;
    problems.push_back(queue.name + ": the oldest event has waited for " + in_words(*queue.oldest) +
                       ": does the server run, and what does its log say?");
  }
}

// From nine tenths on, everything but purchases is refused.
void find_full(const Status& status, std::vector<std::string>& problems) {
  if (status.used < status.allowed - status.allowed / 10) return;
  problems.push_back("the outbox uses " + in_size(status.used) + " of " + in_size(status.allowed) +
                     ", and new events are refused: raise POSTBOX_MAX_DISK, or see why they wait");
}

void find_missing(const Status& status, std::vector<std::string>& problems) {
  std::uint64_t here = status.spilled;
  for (const QueueStatus& queue : status.queues) here += rows_of(queue);
  const OutboxTotals& totals = status.totals;
  const std::uint64_t came = totals.appended + totals.fired;
  const std::uint64_t known = totals.delivered + totals.purged + totals.expired + here;
  if (came == known) return;
  problems.push_back("the counts do not add up: " + std::to_string(came) + " events came, and " +
                     std::to_string(known) + " are accounted for: see postbox fsck");
}

// The outbox is there, or nothing could be counted: so a server should be at it.
void find_spilled(const Status& status, std::vector<std::string>& problems) {
  if (status.spilled == 0) return;
  problems.push_back(counted(status.spilled, "event") +
                     " in the file of POSTBOX_SPILL: a server with that setting gives them to the "
                     "database, does one run here?");
}

std::string shown(const std::optional<Flag>& flag) { return flag ? flag->to_string() : "unknown"; }

}  // namespace

Status status_of(const klaviyo::Config& config, std::string file, const OutboxStats& stats,
                 std::chrono::milliseconds max_wait) {
  Status status{.file = std::move(file),
                .used = stats.used.count,
                .allowed = config.engine.outbox.max_disk.count,
                .timers = stats.timers_pending,
                .spilled = stats.spilled,
                .inbox = stats.inbox,
                .totals = stats.totals,
                .queues = queues_of(config, stats.queues)};
  find_dead(status, status.problems);
  find_old(status, config, max_wait, status.problems);
  find_full(status, status.problems);
  find_spilled(status, status.problems);
  find_missing(status, status.problems);
  return status;
}

Json json_of(const Status& status) {
  Json queues = Json::array();
  for (const QueueStatus& queue : status.queues) {
    Json one = {{"family", queue.name},      {"queue", static_cast<std::uint32_t>(queue.queue)},
                {"flag", shown(queue.flag)}, {"waiting", queue.waiting},
                {"delayed", queue.delayed},  {"held", queue.held},
                {"dead", queue.dead},        {"oldest_ms", nullptr}};
    if (queue.oldest) one["oldest_ms"] = queue.oldest->count();
    queues.push_back(std::move(one));
  }
  const OutboxTotals& totals = status.totals;
  return {{"outbox",
           {{"file", status.file},
            {"used_bytes", status.used},
            {"max_bytes", status.allowed},
            {"timers", status.timers},
            {"spilled", status.spilled},
            {"inbox", status.inbox}}},
          {"families", std::move(queues)},
          {"totals",
           {{"accepted", totals.appended},
            {"fired", totals.fired},
            {"delivered", totals.delivered},
            {"purged", totals.purged},
            {"expired", totals.expired},
            {"duplicates", totals.duplicates}}},
          {"problems", status.problems}};
}

void write(const Status& status, std::ostream& out) {
  const OutboxTotals& totals = status.totals;
  out << "outbox  " << printable(status.file) << ", " << in_size(status.used) << " of "
      << in_size(status.allowed) << '\n'
      << "so far  " << totals.appended << " accepted, " << totals.fired << " from timers, "
      << totals.delivered << " delivered, " << totals.purged << " purged, " << totals.expired
      << " expired; " << totals.duplicates << " duplicates\n"
      << "timers  " << status.timers << " running\n";
  if (status.inbox > 0) {
    out << "inbox   " << counted(status.inbox, "event")
        << " of your own transactions, which a sender takes in within seconds\n";
  }
  out << '\n';
  Table table({"family", "flag", "waiting", "delayed", "held", "dead", "oldest"});
  for (const QueueStatus& queue : status.queues) {
    if (is_history(queue) && rows_of(queue) == 0) continue;
    table.add({queue.name, shown(queue.flag), std::to_string(queue.waiting),
               std::to_string(queue.delayed), std::to_string(queue.held),
               std::to_string(queue.dead), queue.oldest ? in_words(*queue.oldest) : "-"});
  }
  table.write(out);
  for (const std::string& problem : status.problems) out << "\nproblem: " << problem;
  out << (status.problems.empty() ? "" : "\n");
}

}  // namespace postbox::cli
