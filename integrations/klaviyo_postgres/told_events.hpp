// ToldEvents takes in what programs in other languages tell, as JSON in their own transactions on
// the database in which events wait: SELECT postbox_tell('order_placed', …), see docs/postgres.md.
//
// Place:     a library of its own, postbox::klaviyo_postgres, beside a tracker whose outbox is on
//            PostgreSQL. One server's is enough; of several, one takes in at a time.
// Threads:   a thread of its own. start() and the end from any one thread.
// Lifetime:  ends before its tracker. In the child of a fork() it must be neither used nor
//            destroyed.
// Failure:   start() fails with kInvalidConfig. A database that is away is looked for again, with a
//            line in the log. What no event can be made of stays in the table postbox_told, with
//            the reason, and is told to the log.
//
// Each row becomes the events that the same call of Tracker::track() would make, by the same rules,
// under the tracker's flags, at the time when it was told unless the JSON has one.
#pragma once

#include <memory>
#include <postbox/log.hpp>
#include <postbox/result.hpp>
#include <postbox/tracker.hpp>
#include <string_view>

namespace klaviyo {

class ToldEvents {
 public:
  // Look at once, and every few seconds. `url` as in POSTBOX_OUTBOX.
  [[nodiscard]] static postbox::Result<ToldEvents> start(
      postbox::Tracker& tracker, std::string_view url,
      postbox::LogSink log = postbox::stderr_log());

  ToldEvents(ToldEvents&&) noexcept;
  ToldEvents& operator=(ToldEvents&&) noexcept;
  ~ToldEvents();  // waits for the look that is going on

  // Look now: somebody has told something.
  void look() noexcept;

 private:
  struct Impl;
  explicit ToldEvents(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace klaviyo
