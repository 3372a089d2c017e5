#include <postbox/rfc3339.hpp>

namespace postbox {
namespace {

using std::chrono::milliseconds;

// Takes what it reads from the front of the text; the first failure makes all that follow fail.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  int digits(std::size_t count) {
    int number = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const char c = next();
      if (c < '0' || c > '9') return fail();
      number = number * 10 + (c - '0');
    }
    return number;
  }

  void expect(std::string_view any_of) {
    if (any_of.find(next()) == std::string_view::npos) fail();
  }

  bool skip(char wanted) {
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }

  // At least one digit; all but the first three are dropped.
  milliseconds fraction() {
    int value = digits(1) * 100;
    for (int weight = 10; !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9';
         weight /= 10) {
      value += digits(1) * weight;
    }
    return milliseconds(value);
  }

  [[nodiscard]] bool done() const { return ok_ && rest_.empty(); }

 private:
  char next() {
    if (rest_.empty()) return '\0';
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }

  int fail() {
    ok_ = false;
    return 0;
  }

  std::string_view rest_;
  bool ok_ = true;
};

bool is_time_of_day(int hour, int minute, int second) {
  return hour < 24 && minute < 60 && second <= 60;  // 60 is a leap second
}

std::optional<std::chrono::minutes> scan_zone(Scanner& scanner) {
  using namespace std::chrono;
  if (scanner.skip('Z') || scanner.skip('z')) return minutes(0);
  const bool is_west = scanner.skip('-');
  if (!is_west) scanner.expect("+");
  const int hour = scanner.digits(2);
  scanner.expect(":");
  const int minute = scanner.digits(2);
  if (!is_time_of_day(hour, minute, 0)) return std::nullopt;
  const minutes offset = hours(hour) + minutes(minute);
  return is_west ? -offset : offset;
}

}  // namespace

std::optional<WallTime> parse_rfc3339(std::string_view text) {
  using namespace std::chrono;
  Scanner scanner(text);
  const year y(scanner.digits(4));
  scanner.expect("-");
  const month m(static_cast<unsigned>(scanner.digits(2)));
  scanner.expect("-");
  const year_month_day date(y, m, day(static_cast<unsigned>(scanner.digits(2))));
  scanner.expect("Tt ");
  const int hour = scanner.digits(2);
  scanner.expect(":");
  const int minute = scanner.digits(2);
  scanner.expect(":");
  const int second = scanner.digits(2);
  const milliseconds fraction = scanner.skip('.') ? scanner.fraction() : milliseconds(0);
  const auto offset = scan_zone(scanner);
  if (!scanner.done() || !offset || !date.ok() || !is_time_of_day(hour, minute, second)) {
    return std::nullopt;
  }
  return sys_days(date) + hours(hour) + minutes(minute) + seconds(second) + fraction - *offset;
}

}  // namespace postbox
