// ToldTable takes rows of postbox_told in: in one transaction they go, and what was made of them is
// in the inbox.
//
// Place:     inside the integration, on the sessions of the PostgreSQL outbox; ToldEvents calls it.
// Threads:   one thread at a time.
// Lifetime:  holds a connection, which is opened at the first look.
// Failure:   a Result: nothing was changed, and the next look does it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <klaviyo_postgres/told_event.hpp>
#include <memory>
#include <postbox/clock.hpp>
#include <postbox/result.hpp>
#include <string>
#include <vector>

namespace klaviyo {

class ToldTable {
 public:
  // "event 7, order_placed: items[0].quantity must be at least 1".
  struct Refusal {
    std::int64_t id = 0;
    std::string event{};  // empty when it is none that is known
    std::string problem{};
  };
  struct Look {
    std::size_t taken_in = 0;
    std::vector<Refusal> refused{};  // for the log, until note() has their ids
    std::size_t expired = 0;         // refused, and older than kRetention: removed
    bool has_more = false;
  };
  using Draft = std::function<ToldDraft(const ToldEvent& told)>;

  static constexpr std::chrono::days kRetention{30};  // of what is refused

  // `uri` is "postgresql://…".
  ToldTable(const std::string& uri, std::shared_ptr<postbox::Clock> clock);
  ToldTable(ToldTable&&) noexcept;
  ToldTable& operator=(ToldTable&&) noexcept;
  ~ToldTable();

  // Take in some. One server does at a time, so that rows become events in their order; another one
  // finds nothing meanwhile. When `draft` says kClosed the row waits on. A row whose events the
  // database refuses, by a constraint or a trigger, is refused by itself.
  [[nodiscard]] postbox::Result<Look> take_in(const Draft& draft);

  // The log has these refusals now: no look shows them again.
  [[nodiscard]] postbox::Result<void> note(const std::vector<Refusal>& refused);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace klaviyo
