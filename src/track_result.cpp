#include <postbox/track_result.hpp>

namespace postbox {
namespace {

std::string_view status_text(TrackStatus status) {
  switch (status) {
    case TrackStatus::kAccepted:
      return "accepted";
    case TrackStatus::kDisabled:
      return "disabled";
    case TrackStatus::kRejected:
      return "rejected";
    case TrackStatus::kFull:
      return "full";
    case TrackStatus::kClosed:
      return "closed";
    case TrackStatus::kNotDurable:
      return "not durable within the deadline";
  }
  return "unknown";
}

}  // namespace

std::string TrackResult::to_string() const {
  std::string text(status_text(status_));
  std::string_view separator = ": ";
  for (const auto* list : {&violations_, &warnings_}) {
    for (const Violation& violation : *list) {
      text += separator;
      // An event of somebody's own may have violations without a path.
      if (!violation.path.empty()) text.append(violation.path).append(": ");
      text += violation.rule;
      separator = "; ";
    }
  }
  return text;
}

}  // namespace postbox
