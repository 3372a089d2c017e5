// Steps are what a command did at Klaviyo and when; each is written as soon as it is done.
//
// Place:     in commands that follow something to its end.
// Threads:   the command's.
// Lifetime:  borrows the console.
// Failure:   none.
#pragma once

#include <chrono>
#include <memory>
#include <postbox/clock.hpp>
#include <string>

#include "command.hpp"
#include "output.hpp"

namespace postbox::cli {

class Steps {
 public:
  // As JSON nothing is written before done().
  Steps(Console& console, bool json) : console_(console), json_(json) {}

  void add(const std::string& step, const std::string& sentence);

  // Writes a line of progress to standard error, also as JSON.
  void note(const std::string& sentence) const;

  void say(const std::string& sentence) const;

  // Writes a problem and what to do about it. Returns kProblem.
  int give_up(const std::string& what, const std::string& advice) const;

  [[nodiscard]] const Json& done() const noexcept { return done_; }

 private:
  Console& console_;
  const bool json_;
  const std::shared_ptr<Clock> clock_ = system_clock();
  const SteadyTime begin_ = clock_->now();
  Json done_ = Json::array();
};

}  // namespace postbox::cli
