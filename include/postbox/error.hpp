// Error says what went wrong, in a number for programs and a sentence for people.
//
// Place:     inside every Result<T>; never thrown.
// Threads:   a plain value.
// Lifetime:  owns its message.
// Failure:   none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postbox {

// Numbers are public: dashboards and bug reports quote them. A retired number stays reserved.
enum class ErrorCode : std::uint16_t {
  kInvalidConfig = 1,      // a setting does not parse or is out of range; the message names it
  kOutboxUnavailable = 2,  // the store cannot be opened, read or written at the moment
  kOutboxFull = 3,         // the disk, or the share of it that Postbox may use, is full
  kOutboxCorrupt = 4,      // the store's file is damaged
  kOutboxTooNew = 5,       // the store was written by a newer version of Postbox
  kOutboxBusy = 6,         // another process or thread is writing to the store
  kDeadlineExceeded = 7,   // the time ran out; the effect is unknown unless stated
  kClosed = 8,             // the tracker or the client has been stopped
  kInvalidArgument = 9,    // the caller's argument is unusable; the message says why
  kTransport = 10,         // no HTTP answer arrived: DNS, connect, TLS, reset, time-out
  kInternal = 11,          // an exception of a lower library was caught; please report it
  kOutboxTaken = 12,       // another process is the sender of the store: not an error, but a turn

  // A link that a customer follows; see the integration that makes it.
  kTokenTruncated = 20,  // a part of it is missing
  kTokenMalformed = 21,  // it is none of ours
  kTokenForeign = 22,    // it was signed with a key that is not, or no longer, ours
  kTokenTampered = 23,   // it was changed after it was signed
  kTokenExpired = 24,    // its time is over
};

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  // English, without secrets or personal data; one line, or one for each of several settings.
  std::string message;

  // Returns the same error with `context` and a colon before its message.
  [[nodiscard]] Error with_context(std::string_view context) const {
    return Error{code, std::string(context) + ": " + message};
  }
};

// All of them as one, a line each, with the number of the first. There is at least one.
[[nodiscard]] inline Error joined(const std::vector<Error>& errors) {
  Error all = errors.front();
  for (std::size_t i = 1; i < errors.size(); ++i) all.message += "\n" + errors[i].message;
  return all;
}

}  // namespace postbox
