// The files of the page, which the build puts into the program.
#pragma once

#include <span>
#include <string_view>

namespace postbox::cli {

struct Asset {
  std::string_view path;  // "/page.css"; the page itself is "/"
  std::string_view type;
  std::string_view bytes;
};

[[nodiscard]] std::span<const Asset> assets();

}  // namespace postbox::cli
