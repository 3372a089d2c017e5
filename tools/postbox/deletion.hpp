// Deletion has Klaviyo delete a person's profiles, by its data privacy API, and follows that to its
// end.
//
// Place:     in `postbox forget`, around the removal from the outbox.
// Threads:   the command's.
// Lifetime:  borrows the api and the steps.
// Failure:   said by the steps; then the functions return kProblem. No text names the person.
#pragma once

#include <klaviyo/schemas/profile.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api.hpp"
#include "steps.hpp"

namespace postbox::cli {

class Deletion {
 public:
  // `person` has identifiers as Klaviyo takes them.
  Deletion(Api& api, Steps& steps, const klaviyo::Profile& person);

  // Looks for profiles of the person, before anything is changed.
  [[nodiscard]] int find();

  // Asks for the deletion of those that find() has found, and waits until they are gone. The API
  // has no way to read the job: it is over when no profile of the person is found any more.
  [[nodiscard]] int remove();

  // Waits a little, and looks whether an event that was under way has made a new one.
  [[nodiscard]] int look_again();

  // The number of profiles that were there first; nothing when the key may not look.
  [[nodiscard]] std::optional<std::size_t> found() const noexcept;
  // True when none is there now; nothing when that is not known.
  [[nodiscard]] std::optional<bool> is_gone() const noexcept { return is_gone_; }

 private:
  struct Identifier {
    std::string field;  // "email", "phone_number", "external_id"
    std::string value;
    std::set<std::string> profiles{};  // their ids
  };

  [[nodiscard]] ProbeAnswer look(const Identifier& identifier);
  [[nodiscard]] std::optional<std::size_t> count_left(std::string& last_answer);
  [[nodiscard]] int ask_for(const std::string& field, const std::string& value);
  [[nodiscard]] int ask_for_all();
  [[nodiscard]] int follow();
  [[nodiscard]] std::set<std::string> profiles() const;

  Api& api_;
  Steps& steps_;
  std::vector<Identifier> identifiers_;
  bool may_look_ = true;
  std::optional<bool> is_gone_{};
};

}  // namespace postbox::cli
