// FleetBooks knows what the customers of one account have told its servers, and so what the vendor
// must have recorded in the end.
//
// Place:     one per account, below Fleet.
// Threads:   one.
// Lifetime:  a run's.
// Failure:   problems() lists what was found, empty when all is well.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "simulation/profiles.hpp"

#include "fleet_vendor.hpp"

namespace postbox::fleet {

class FleetBooks {
 public:
  // Who was told, and whether it said that the event is stored. What it had in its memory alone
  // may be gone with it.
  struct Told {
    std::size_t server = 0;
    bool promised = false;
    SteadyTime at{};
  };

  void noted(const std::string& text, const Told& told) { notes_[text] = told; }
  void carted(const FleetCart& cart, const Told& told, WallTime as_of) {
    Session& session = sessions_[cart.cart];
    if (cart.is_order) {
      noted(cart.text(), told);
      session.order = told;
    } else {
      session.updates.push_back({cart, told, as_of});
    }
  }
  void updated(const simulation::ProfileUpdate& update, const Told& told) {
    profiles_.happened(told.server, update, told.promised);
    updates_.insert(update.text());
  }
  void died(std::size_t server) { lost_.insert(server); }
  void was_away(SteadyTime from, SteadyTime until) { away_.emplace_back(from, until); }

  [[nodiscard]] std::size_t promised() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(notes_, [](const auto& note) { return note.second.promised; }));
  }
  [[nodiscard]] std::size_t offered() const { return notes_.size(); }

  // From the offer to the vendor, of all that came there.
  struct Delays {
    milliseconds mean{};
    milliseconds most{};
  };
  [[nodiscard]] Delays delays(const FleetVendor& vendor) const {
    SteadyTime::duration sum{};
    SteadyTime::duration most{};
    std::int64_t count = 0;
    for (const auto& [text, told] : notes_) {
      const auto found = vendor.recorded.find(text);
      if (found == vendor.recorded.end()) continue;
      sum += found->second.at - told.at;
      most = std::max(most, found->second.at - told.at);
      ++count;
    }
    using std::chrono::floor;
    return {floor<milliseconds>(sum / std::max<std::int64_t>(1, count)), floor<milliseconds>(most)};
  }

  [[nodiscard]] std::vector<std::string> problems(const FleetVendor& vendor) const {
    std::vector<std::string> found;
    for (const auto& [text, told] : notes_) {
      if (is_owed(told) && !vendor.recorded.contains(text)) found.push_back("lost: " + text);
    }
    for (const auto& [cart, session] : sessions_) look_at(session, vendor, found);
    for (const auto& [text, record] : vendor.recorded) {
      if (!knows(text)) found.push_back("doubled under another id, or never offered: " + text);
    }
    for (const std::string& text : vendor.sent_twice) {
      found.push_back("sent while it was being sent: " + text);
    }
    const simulation::Sky sky;
    simulation::Vendor ended(sky);
    ended.profiles = vendor.profiles;
    for (std::string& problem : profiles_.problems(ended)) found.push_back(std::move(problem));
    return found;
  }

 private:
  struct Update {
    FleetCart cart;
    Told told;
    WallTime as_of;
  };
  struct Session {
    std::vector<Update> updates{};
    std::optional<Told> order{};
  };

  // An event that a sender has in its hands when the order comes is not recalled; its request
  // starts within the lease, and what is told inside a transaction is taken in within five seconds.
  static constexpr seconds kInHand{60 + 5 + 5};

  [[nodiscard]] bool is_owed(const Told& told) const {
    return told.promised || !lost_.contains(told.server);
  }

  [[nodiscard]] bool knows(const std::string& text) const {
    if (notes_.contains(text) || updates_.contains(text)) return true;
    const std::size_t id = text.find(' ');
    const std::size_t number = text.rfind('-');
    if (id == std::string::npos || number == std::string::npos) return false;
    const auto session = sessions_.find(text.substr(id + 1, number - id - 1));
    if (session == sessions_.end()) return false;
    return std::ranges::any_of(session->second.updates, [&](const Update& update) {
      return update.cart.text() == text || update.cart.abandoned() == text;
    });
  }

  void look_at(const Session& session, const FleetVendor& vendor,
               std::vector<std::string>& found) const {
    const std::vector<Update>& updates = session.updates;
    for (const Update& update : updates) {
      const auto record = vendor.recorded.find(update.cart.abandoned());
      if (record == vendor.recorded.end()) continue;
      if (record->second.at < update.told.at + update.cart.patience) {
        found.push_back(record->first + " came before it was due");
      }
      if (must_end(session) && record->second.last > latest(*session.order)) {
        found.push_back(record->first + " was sent after its order");
      }
    }
    const auto last = std::find_if(updates.rbegin(), updates.rend(),
                                   [this](const Update& update) { return is_owed(update.told); });
    if (last == updates.rend()) return;
    const auto any = [&](std::string (FleetCart::*name)() const) {
      return std::ranges::any_of(updates, [&](const Update& update) {
        // The newest counts, by the clocks of those who were told; of those that were stored late,
        // and whose clocks were ahead, the one that was stored last.
        const bool may_win =
            update.told.at >= last->told.at || update.as_of >= last->as_of || !update.told.promised;
        return may_win && vendor.recorded.contains((update.cart.*name)());
      });
    };
    if (!any(&FleetCart::text)) found.push_back("lost: " + last->cart.text());
    if (!session.order && !any(&FleetCart::abandoned)) {
      found.push_back("lost: " + last->cart.abandoned());
    }
  }

  // Each was stored before the next was told.
  [[nodiscard]] static bool must_end(const Session& session) {
    return session.order && session.order->promised &&
           std::ranges::all_of(session.updates,
                               [](const Update& update) { return update.told.promised; });
  }

  [[nodiscard]] SteadyTime latest(const Told& order) const {
    SteadyTime until = order.at + kInHand;
    for (const auto& [from, to] : away_) {
      if (to > order.at) until += to - std::max(from, order.at);
    }
    return until;
  }

  std::unordered_map<std::string, Told> notes_;  // and orders
  std::unordered_map<std::string, Session> sessions_;
  std::set<std::string> updates_;
  simulation::Profiles profiles_;
  std::set<std::size_t> lost_;
  std::vector<std::pair<SteadyTime, SteadyTime>> away_;
};

}  // namespace postbox::fleet
