// ProfileStore keeps the account's profiles and finds them by any identifier.
//
// Place:     in Account.
// Threads:   guarded by the simulator's mutex.
// Lifetime:  a reference to a profile stays valid until clear().
// Failure:   none; a refused change is a returned value.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "paging.hpp"
#include "profile_rules.hpp"

namespace sim {

// What a profile says of one channel.
struct Subscription {
  bool is_subscribed = false;
  std::chrono::sys_seconds consented;
  std::chrono::sys_seconds updated;
  std::optional<std::string> custom_source;
};

struct Profile {
  std::string id;
  Json attributes = Json::object();  // as sent, merged; identifiers included
  std::chrono::sys_seconds created;
  std::chrono::sys_seconds updated;
  std::optional<std::chrono::sys_seconds> last_event;
  std::map<std::string, Subscription> subscriptions;  // by channel
  std::set<std::string> lists;
};

class ProfileStore {
 public:
  // The profile of one identifier: "id", "email", ….
  std::optional<std::size_t> find(const std::string& name, const std::string& value) const;

  // The profile by id, else by the identifiers in Klaviyo's order.
  std::optional<std::size_t> find(const ProfileInput& input) const;

  // The profile that already owns one of the identifiers, other than `index`.
  std::optional<std::size_t> find_conflict(std::optional<std::size_t> index,
                                           const ProfileInput& input) const;

  std::size_t create(std::chrono::sys_seconds now);

  // Merges what was sent. An identifier that another profile owns is left there. `null` clears a
  // field when `null_clears`, and is ignored otherwise.
  void merge(std::size_t index, const Json& attributes, bool null_clears,
             std::chrono::sys_seconds now);

  // Removes own properties.
  void unset(std::size_t index, const std::vector<std::string>& names);

  // Takes the profile out of every list and makes it nobody's. Its index stays valid.
  void remove(std::size_t index);

  void note_event(std::size_t index, std::chrono::sys_seconds time);

  Profile& at(std::size_t index) { return profiles_[index]; }
  const Profile& at(std::size_t index) const { return profiles_[index]; }
  const Order& by_creation() const { return by_creation_; }
  void clear();

 private:
  void set_identifier(std::size_t index, const std::string& name, const Json& value);

  std::deque<Profile> profiles_;
  std::unordered_map<std::string, std::size_t> by_identifier_;
  Order by_creation_;
};

}  // namespace sim
