#include "held_reasons.hpp"

#include <algorithm>

namespace postbox::cli {
namespace {

// The flag of the family; the history of one has that of the family itself.
const FlagLine* flag_of(const std::string& queue, const std::vector<FlagLine>& flags) {
  const std::string family = queue.substr(0, queue.find(" history"));
  const auto found = std::ranges::find(flags, family, &FlagLine::family);
  return found == flags.end() ? nullptr : &*found;
}

std::string released_by_hand(const std::string& queue) {
  return "To send them and leave the flag as it is, stop the server and run postbox held release "
         "--family \"" +
         queue + "\" --yes; a server that runs would hold them again";
}

HeldReason reason_of(const QueueStatus& queue, const std::vector<FlagLine>& flags) {
  HeldReason reason{.family = queue.name, .held = queue.held, .why = {}, .to_do = {}};
  const FlagLine* flag = flag_of(queue.name, flags);
  if (flag == nullptr) {
    reason.why = "its flag is not known here";
    reason.to_do = "Start this page with --own-family, and its name and queue";
    return reason;
  }
  const std::string is_here = flag->variable + " is " + flag->here;
  if (differs(*flag)) {
    reason.why = is_here + " here, and the server goes by " + *flag->server;
    reason.to_do =
        "Reload the server: it goes by what is here then, and sends by itself what that "
        "lets pass";
  } else if (flag->here == Flag::on().to_string()) {
    reason.why = is_here + ", and they have not gone yet";
    reason.to_do = "A server that runs sends them within seconds; where none runs, start it";
  } else if (flag->here == Flag::off().to_string()) {
    reason.why = is_here;
    reason.to_do = "Set " + flag->variable +
                   "=true and reload the server, which then sends them by "
                   "itself. " +
                   released_by_hand(queue.name);
  } else {
    reason.why = is_here + ", and they are of profiles outside of that share";
    reason.to_do = "Raise " + flag->variable +
                   ", to 100% or true for all, and reload the server, "
                   "which then sends them by itself. " +
                   released_by_hand(queue.name);
  }
  return reason;
}

}  // namespace

std::vector<HeldReason> held_reasons(const Status& status, const std::vector<FlagLine>& flags) {
  std::vector<HeldReason> reasons;
  for (const QueueStatus& queue : status.queues) {
    if (queue.held > 0) reasons.push_back(reason_of(queue, flags));
  }
  return reasons;
}

Json json_of(const HeldReason& reason) {
  return {{"family", reason.family},
          {"held", reason.held},
          {"why", reason.why},
          {"to_do", reason.to_do}};
}

}  // namespace postbox::cli
