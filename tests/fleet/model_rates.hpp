// ModelRates is what servers share of the vendor's limits, in memory.
//
// Place:     below ModelStore; the model of src/postgres_outbox/version_1_rate.sql, statement by
//            statement and by the same names. postgres_fleet_test.cpp compares the two.
// Threads:   one.
// Lifetime:  a store's.
// Failure:   none.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include <postbox/clock.hpp>
#include <postbox/destination.hpp>

#include "postgres_outbox/rate_ledger.hpp"

#include "model_tables.hpp"

namespace postbox::fleet {

class ModelRates {
 public:
  using Number = std::int64_t;

  // The arguments of postbox_rate_take().
  struct Take {
    Number server = 0;
    Number lease = 0;
    Number burst = 0, burst_ms = 0, steady = 0, steady_ms = 0;
    Number per_mille = 1000;
    Number wanted = 0, span = 0;
    bool evenly = false;
    Number recent = 0, of_window = 0, unused = 0;
    struct Seen {
      Number most = 0, remaining = 0, from = 0, to = 0;
    };
    std::optional<Seen> seen{};
    std::optional<Number> refused_for{};
  };

  // What it returns.
  struct Grant {
    Number requests = 0, share = 0, starts_in = 0, gap = 0, again = 0, room = 0, most = 0;
    std::optional<Number> ends_in{};
    Number servers = 0, window = 0;
    bool shut = false, spread = false;
    friend bool operator==(const Grant&, const Grant&) = default;
  };

  // Where servers are more than the burst has requests, `chance`, from 0 to 1, says who waits.
  Grant take(const std::string& rate, const Take& take, Millis now, double chance) {
    Rate& r = rates_[rate];
    set_back(r, take, now);
    begin_if_over(r, take, now);
    if (take.of_window == r.number) r.granted = std::max<Number>(0, r.granted - take.unused);
    if (take.seen) see(r, take, now);
    if (take.refused_for) {
      r.blocked_until = std::max(r.blocked_until, now + *take.refused_for);
      r.company = 2;
      r.most = std::min(r.most, take.steady);
    }
    return grant(r, take, now, chance);
  }

 private:
  struct Server {
    Millis asked_at = 0;
    Number wanted = 0, share = 0;
    Millis lease_until = 0;
    Number recent = 0, granted = 0;
  };
  struct Rate {
    Number number = 0;
    Millis end_from = 0, end_to = 0;
    Number most = 0, granted = 0;
    Millis granted_at = 0;
    Number early = 0, blurred = 0, taken = 0;
    Millis watched_at = 0;
    double others_before = 0;
    Number company = 0;
    Millis paced_to = 0, blocked_until = 0;
    std::map<Number, Server> servers{};
  };

  static double others(const Rate& r, Number steady_ms) {
    if (r.taken <= r.blurred && r.company == 0) return 0;
    const double prior = r.others_before > 0 ? 30 : 0;
    const auto watched = std::max<Number>(0, r.watched_at - (r.end_from - steady_ms));
    return (static_cast<double>(std::max<Number>(0, r.taken - r.blurred)) +
            r.others_before * prior) /
           (static_cast<double>(watched) / 1000.0 + prior + 1);
  }

  static void begin(Rate& r, Millis new_from, Millis new_to, const Take& take, Millis now) {
    r.others_before = r.taken > r.blurred ? others(r, take.steady_ms) : 0;
    r.company = r.taken > r.blurred ? 2 : std::max<Number>(0, r.company - 1);
    r.blurred = new_to - r.end_to > take.steady_ms ? 0 : std::max<Number>(0, r.granted - r.early);
    ++r.number;
    r.end_from = new_from;
    r.end_to = new_to;
    r.granted = 0;
    for (const auto& [id, server] : r.servers) {
      if (id != take.server && server.lease_until > now) r.granted += server.granted;
    }
    r.early = r.taken = 0;
    r.watched_at = new_to - take.steady_ms;
  }

  static void set_back(Rate& r, const Take& take, Millis now) {
    if (now >= r.granted_at - take.steady_ms && r.end_to <= now + 2 * take.steady_ms) return;
    r.end_from = r.end_to = r.paced_to = 0;
    r.granted_at = now;
    r.blocked_until = std::min(r.blocked_until, now + take.steady_ms);
  }

  static void begin_if_over(Rate& r, const Take& take, Millis now) {
    if (r.end_to > 0 && now >= r.end_to) {
      const Number later = ((now - r.end_to) / take.steady_ms + 1) * take.steady_ms;
      begin(r, r.end_from + later, r.end_to + later, take, now);
    } else if (r.end_to == 0 && now >= r.granted_at + take.steady_ms) {
      r.granted = 0;
      ++r.number;
    }
  }

  static void see(Rate& r, const Take& take, Millis now) {
    const Millis from = now + take.seen->from;
    const Millis to = now + take.seen->to;
    Millis next_from = std::max(r.end_from + take.steady_ms, from);
    Millis next_to = std::min(r.end_to + take.steady_ms, to);
    if (r.end_to == 0) {
      r.end_from = from;
      r.end_to = to;
      r.watched_at = now;
    } else if (from > r.end_to) {  // it came earlier than was believed
      if (next_from > next_to) {
        next_from = from;
        next_to = to;
      }
      begin(r, next_from, next_to, take, now);
    } else if (std::max(r.end_from, from) <= std::min(r.end_to, to)) {
      r.end_from = std::max(r.end_from, from);
      r.end_to = std::min(r.end_to, to);
    }
    if (to < r.end_from) return;  // of the window before
    r.most = std::max<Number>(1, take.seen->most);
    r.taken = std::max(r.taken, r.most - take.seen->remaining - r.granted);
    r.watched_at = now;
  }

  // Other servers that wait, what they want, and what they hold of the burst.
  struct Peers {
    Number count = 0, wanted = 0, held = 0;
  };
  static Peers peers_of(const Rate& r, const Take& take, Millis now) {
    Peers peers;
    for (const auto& [id, s] : r.servers) {
      if (id == take.server) continue;
      if (now - s.asked_at < 2000) {
        peers.count += s.wanted > 0 ? 1 : 0;
        peers.wanted += s.wanted;
      }
      peers.held += std::max(now < s.asked_at + take.burst_ms ? s.recent : 0,
                             now < s.lease_until + take.burst_ms ? s.share : 0);
    }
    return peers;
  }

  Grant grant(Rate& r, const Take& take, Millis now, double chance) {
    Grant g;
    g.most = r.most > 0 ? r.most : take.steady;
    const Number allowance = std::max<Number>(1, g.most * take.per_mille / 1000);
    const Number all_burst =
        std::max<Number>(1, take.burst * g.most / take.steady * take.per_mille / 1000);
    const double theirs = others(r, take.steady_ms);
    const Number hard_room = std::min(allowance - r.granted, g.most - r.granted - r.taken);
    const auto left = static_cast<double>(r.end_to - r.watched_at);
    g.room = std::min(hard_room,
                      g.most - r.granted - r.taken -
                          static_cast<Number>(std::ceil(theirs * std::max(0.0, left) / 1000)));
    if (r.end_to > 0) g.ends_in = r.end_to - now;
    const Number later = g.ends_in.value_or(r.granted_at + take.steady_ms - now);
    g.gap =
        std::max<Number>(1, g.ends_in.value_or(take.steady_ms) / (std::max<Number>(g.room, 0) + 1));
    g.shut = now < r.blocked_until;
    g.spread = theirs > 0 || r.company > 0 || take.burst * take.per_mille < 1000;
    std::erase_if(r.servers,
                  [now](const auto& s) { return std::abs(now - s.second.asked_at) > 60'000; });
    const Peers peers = peers_of(r, take, now);
    g.servers =
        1 + static_cast<Number>(r.servers.size()) - (r.servers.contains(take.server) ? 1 : 0);

    Number wanted = take.wanted;
    g.again = std::min<Number>(2000, take.span * (1 + peers.count / 20));
    if (g.shut) {
      g.again = r.blocked_until - now;
      wanted = 0;
    } else if (g.room <= 0 && g.ends_in && wanted > 0 && hard_room > 0 &&
               static_cast<double>(hard_room) - theirs * left / 2000 >= 3 &&
               now >= std::max(r.paced_to, r.watched_at + (r.end_to - r.watched_at) / 2)) {
      g.requests = 1;
      r.paced_to = now + 2 * take.span;
    } else if (g.room <= 0) {
      g.again = later;
      if (g.ends_in && hard_room > 0) {
        const Millis half = r.watched_at + (r.end_to - r.watched_at) / 2 - now;
        g.again = std::min(g.again, std::max<Number>(1000, half));
      }
      wanted = 0;
    } else if (wanted > 0) {
      g.requests =
          peers.count == 0 ? g.room : std::max<Number>(1, g.room / (2 * (peers.count + 1)));
    }
    share_burst(g, peers, take, wanted, all_burst, chance);
    pace(g, r, take, now);
    if (g.requests == 0) g.share = 0;

    r.servers[take.server] = {now, wanted, g.share, now + take.lease, take.recent, g.requests};
    r.granted += g.requests;
    if (now < r.end_from - take.lease) r.early = r.granted;
    if (g.requests > 0) r.granted_at = now;
    g.room -= g.requests;
    g.window = r.number;
    return g;
  }

  // Of the burst: the fair part, and what nobody else wants.
  static void share_burst(Grant& g, const Peers& peers, const Take& take, Number wanted,
                          Number all_burst, double chance) {
    if (g.requests <= 0) return;
    g.share = std::min(
        {wanted, all_burst - peers.held,
         std::max((all_burst + peers.count) / (peers.count + 1), all_burst - peers.wanted)});
    const double turn = chance * static_cast<double>(peers.count + 1);
    if (g.share < 1 || turn > static_cast<double>(all_burst)) g.share = 0;
    g.requests = std::min(g.requests, (g.share * take.span + take.burst_ms - 1) / take.burst_ms);
  }

  static void pace(Grant& g, Rate& r, const Take& take, Millis now) {
    if (g.requests <= 0 || g.room <= 0 || !(take.evenly || g.spread)) return;
    const Millis paced = std::max(r.paced_to, now - g.gap);
    g.requests = std::max<Number>(0, std::min(g.requests, (now + take.span - paced) / g.gap));
    if (g.requests == 0) {
      g.again = paced + g.gap - take.span - now;
      return;
    }
    g.starts_in = std::max<Number>(0, paced + g.gap - now);
    r.paced_to = paced + g.requests * g.gap;
  }

  std::map<std::string, Rate> rates_;
};

}  // namespace postbox::fleet
