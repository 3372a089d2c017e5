#include "import_progress.hpp"

#include <algorithm>
#include <ostream>
#include <utility>

#include "output.hpp"
#include "selection.hpp"

namespace postbox::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kAtTerminal{250};
constexpr milliseconds kElsewhere{10'000};

std::string bar_of(std::uint64_t percent) {
  constexpr std::uint64_t kWidth = 20;
  const auto full = static_cast<std::size_t>(percent * kWidth / 100);
  return "[" + std::string(full, '#') + std::string(kWidth - full, '.') + "] ";
}

}  // namespace

void ImportProgress::begin(std::string what, const Place& place) {
  what_ = std::move(what);
  from_ = place;
  begin_ = steady_clock::now();
  next_ = begin_ + (console_.err_is_terminal ? kAtTerminal : kElsewhere);
}

void ImportProgress::show(const Place& place) {
  const auto now = steady_clock::now();
  if (now < next_) return;
  next_ = now + (console_.err_is_terminal ? kAtTerminal : kElsewhere);
  is_shown_ = console_.err_is_terminal;
  const std::lock_guard lock(*writing_);
  if (is_shown_) console_.err << "\r\x1b[K";
  console_.err << line(place, now);
  if (!is_shown_) console_.err << '\n';
  console_.err.flush();
}

void ImportProgress::clear() {
  const std::lock_guard lock(*writing_);
  if (std::exchange(is_shown_, false)) console_.err << "\r\x1b[K" << std::flush;
}

std::string ImportProgress::line(const Place& place, Moment now) const {
  const std::uint64_t percent =
      bytes_ == 0 ? 100 : std::min<std::uint64_t>(100, place.bytes_read * 100 / bytes_);
  std::string line = console_.err_is_terminal ? bar_of(percent) : std::string();
  line += what_ + ' ' + std::to_string(percent) + " %, " + counted(place.records, "record");
  const auto time =
      std::max(std::chrono::duration_cast<milliseconds>(now - begin_), milliseconds(1));
  const auto ms = static_cast<std::uint64_t>(time.count());
  line += ", " + std::to_string((place.records - from_.records) * 1'000 / ms) + " a second";
  const std::uint64_t read = place.bytes_read - from_.bytes_read;
  if (read > 0 && bytes_ > place.bytes_read) {
    const double left = static_cast<double>(bytes_ - place.bytes_read) / static_cast<double>(read) *
                        static_cast<double>(ms);
    line += ", " + in_words(milliseconds(static_cast<std::int64_t>(left))) + " left";
  }
  if (place.refused > 0) line += ", " + std::to_string(place.refused) + " refused";
  if (place.waiting > 0) line += ", " + counted(place.waiting, "event") + " on the way";
  return line;
}

}  // namespace postbox::cli
