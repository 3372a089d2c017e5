#include "steps.hpp"

#include <ostream>

namespace postbox::cli {

void Steps::add(const std::string& step, const std::string& sentence) {
  const auto after = std::chrono::floor<std::chrono::milliseconds>(clock_->now() - begin_).count();
  done_.push_back({{"step", step}, {"after_ms", after}, {"what", sentence}});
  if (json_) return;
  const std::string time = std::to_string(after) + "ms";
  console_.out << std::string(time.size() < 8 ? 8 - time.size() : 0, ' ') << time << "  "
               << printable(sentence) << std::endl;
}

void Steps::note(const std::string& sentence) const {
  console_.err << printable(sentence) << std::endl;
}

void Steps::say(const std::string& sentence) const {
  if (!json_) console_.out << '\n' << printable(sentence) << '\n';
}

int Steps::give_up(const std::string& what, const std::string& advice) const {
  console_.err << "postbox: " << printable(what) << '\n';
  if (!advice.empty()) console_.err << "  -> " << printable(advice) << '\n';
  return kProblem;
}

}  // namespace postbox::cli
