// Base64 (RFC 4648, section 4), with padding.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace postbox {

[[nodiscard]] std::string to_base64(std::string_view bytes);

// Nothing when it is not Base64: also with a line break or without its padding.
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text);

}  // namespace postbox
