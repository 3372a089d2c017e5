// The sizes at which Klaviyo refuses a request.
//
// The documentation writes "MB" and "KB" without saying which; the decimal reading is the smaller
// one, so a client that passes here passes under either.
#pragma once

#include <cstddef>

namespace sim {

inline constexpr std::size_t kMaxBodyBytes = 5'000'000;
inline constexpr std::size_t kMaxBulkEvents = 1'000;
inline constexpr std::size_t kMaxSubscribedProfiles = 1'000;
inline constexpr std::size_t kMaxUnsubscribedProfiles = 100;
inline constexpr std::size_t kMaxProperties = 400;
inline constexpr std::size_t kMaxStringBytes = 100'000;
inline constexpr std::size_t kMaxArrayItems = 4'000;
// The object in `properties` itself is the first level; arrays do not count.
inline constexpr int kMaxObjectDepth = 10;
inline constexpr std::size_t kMaxUniqueIdChars = 255;
inline constexpr std::size_t kMaxEventProfileBytes = 95'000;
inline constexpr std::size_t kMaxImportProfileBytes = 100'000;
// "Less than" these:
inline constexpr std::size_t kMetricNameCharsEnd = 128;
inline constexpr std::size_t kEmailCharsEnd = 100;

}  // namespace sim
