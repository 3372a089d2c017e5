#include <array>
#include <string>
#include <stripe/webhook_log.hpp>

#include "base/logger.hpp"

namespace stripe {
namespace {

using postbox::LogLevel;

struct KindOfLine {
  const char* name;
  LogLevel level;
};

// In the order of WebhookLog::Kind.
constexpr std::array<KindOfLine, 5> kKinds{{{"refusal", LogLevel::kWarn},
                                            {"store", LogLevel::kWarn},
                                            {"untracked", LogLevel::kError},
                                            {"mended", LogLevel::kWarn},
                                            {"thin", LogLevel::kError}}};

}  // namespace

void WebhookLog::write(LogLevel level, std::string_view line) noexcept { logger_.log(level, line); }

void WebhookLog::write_kind(Kind kind, std::string_view what) noexcept try {
  const KindOfLine& known = kKinds[static_cast<std::size_t>(kind)];
  logger_.log_kind(known.level, known.name, "Stripe webhook: " + std::string(what));
} catch (const std::exception&) {
  // Without memory for a line.
}

}  // namespace stripe
