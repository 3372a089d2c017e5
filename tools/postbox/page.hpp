// The pages of docs/events/, printed from the tables that check and write the events.
#pragma once

#include <klaviyo/catalogue.hpp>
#include <string>
#include <vector>

namespace postbox::cli {

// The page of one type of event, in Markdown.
[[nodiscard]] std::string page_of(const klaviyo::EventType& type);

// The list of the pages.
[[nodiscard]] std::string index_of(const std::vector<klaviyo::EventType>& types);

// "placed-order.md"
[[nodiscard]] std::string file_of(const klaviyo::EventType& type);

}  // namespace postbox::cli
