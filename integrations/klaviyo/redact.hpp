// redact() makes a foreign text fit for a log line: one line, short, nobody's address in it.
//
// Place:     inside the integration: reasons of refusals, subjects of log lines.
// Threads:   pure functions.
// Lifetime:  returns a text of its own.
// Failure:   none. It errs on the side of hiding: a long number may go, too.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace klaviyo {

// Replace control characters by blanks, what looks like an e-mail address by "[e-mail]", what looks
// like a key of Klaviyo's or Stripe's by "[key]", and what looks like a phone number ("+" and 7
// digits, or 9 digits however grouped) by "[phone]"; then cut to `max_bytes` at a character's
// border.
[[nodiscard]] std::string redact(std::string_view text, std::size_t max_bytes);

// The same for an id, which may well be a long number: only a leading "+" makes it a phone number.
[[nodiscard]] std::string redact_id(std::string_view id, std::size_t max_bytes);

}  // namespace klaviyo
