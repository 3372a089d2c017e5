#include "page_status.hpp"

#include <postbox/version.hpp>
#include <utility>

#include "flag_lines.hpp"
#include "held_reasons.hpp"
#include "status.hpp"

namespace postbox::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::chrono::seconds kLooksApart{1};
constexpr std::size_t kPoints = 180;  // some minutes

milliseconds in_milliseconds(steady_clock::duration time) {
  return std::chrono::duration_cast<milliseconds>(time);
}

Result<std::vector<FlagLine>> flag_lines(const Account& account,
                                         std::vector<std::string>& problems) {
  const auto kept = klaviyo::kept_settings(account.outbox);
  if (!kept) return kept.error();
  std::vector<FlagLine> lines = flags_of(account.config, *kept);
  for (const FlagLine& line : lines) {
    if (differs(line)) problems.push_back(difference(line));
  }
  return lines;
}

Json list_of(const auto& values) {
  Json list = Json::array();
  for (const auto& value : values) list.push_back(json_of(value));
  return list;
}

}  // namespace

Result<Json> PageStatus::look(const Account& account) {
  const std::scoped_lock lock(mutex_);
  if (last_ && steady_clock::now() - last_->at < kLooksApart) return answer_;
  auto answer = look_anew(account);
  if (answer) answer_ = *answer;
  return answer;
}

Result<Json> PageStatus::look_anew(const Account& account) {
  const auto stats = account.outbox.status();
  if (!stats) return stats.error();
  const Look now{steady_clock::now(), stats->totals};
  Status status = status_of(account.config, account.outbox.file().value_or(""), *stats, max_wait_);
  const auto flags = flag_lines(account, status.problems);
  if (!flags) return flags.error();
  std::optional<ServerMetrics> server = ask_server(status.problems);

  if (last_) add_point(now, server);
  Json answer = {{"version", std::string(kVersion)},
                 {"status", json_of(status)},
                 {"flags", list_of(*flags)},
                 {"held", list_of(held_reasons(status, *flags))},
                 {"rates", last_ ? json_of(points_.back().rates) : Json(nullptr)},
                 {"server", server ? json_of(*server, nullptr) : Json(nullptr)},
                 {"metrics_url", reader_ ? Json(reader_->shown_url()) : Json(nullptr)},
                 {"history", history(now.at)}};
  last_ = now;
  last_server_ = std::move(server);
  return answer;
}

std::optional<ServerMetrics> PageStatus::ask_server(std::vector<std::string>& problems) {
  if (!reader_) return std::nullopt;
  auto read = reader_->read();
  if (read) return *std::move(read);
  problems.push_back(read.error().message);
  return std::nullopt;
}

void PageStatus::add_point(const Look& now, const std::optional<ServerMetrics>& server) {
  Point point{.at = now.at, .rates = rates_between(*last_, now), .latencies = nullptr};
  if (server && last_server_) point.latencies = json_of(*server, &*last_server_)["latencies"];
  points_.push_back(std::move(point));
  if (points_.size() > kPoints) points_.pop_front();
}

Json PageStatus::history(steady_clock::time_point now) const {
  Json points = Json::array();
  for (const Point& point : points_) {
    Json one = {{"ago_ms", in_milliseconds(now - point.at).count()}};
    one.update(json_of(point.rates));
    one["latencies"] = point.latencies;
    points.push_back(std::move(one));
  }
  return points;
}

}  // namespace postbox::cli
