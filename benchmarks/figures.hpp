// Figures are what the benchmarks print: one JSON object a line, which scripts/bench puts together.
#pragma once

#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <optional>
#include <string>

namespace postbox::bench {

// `goal` is an upper bound: of value / floor where there is a floor, else of the value.
inline void figure(const std::string& name, double value, const char* unit,
                   std::optional<double> floor, std::optional<double> goal) {
  const auto number = [](std::optional<double> n) {
    char text[32] = "null";
    if (n) std::snprintf(text, sizeof text, "%.6g", *n);
    return std::string(text);
  };
  const std::optional<double> ratio = floor ? std::optional(value / *floor) : std::nullopt;
  const bool met = !goal || ratio.value_or(value) <= *goal;
  std::printf(R"({"name": "%s", "value": %s, "unit": "%s", "floor": %s, "ratio": %s, "goal": %s, )"
              R"("met": %s})"
              "\n",
              name.c_str(), number(value).c_str(), unit, number(floor).c_str(),
              number(ratio).c_str(), number(goal).c_str(), met ? "true" : "false");
  std::fflush(stdout);
}

// Processor time of this process so far.
inline std::chrono::duration<double> cpu_time() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return std::chrono::duration<double>(seconds(usage.ru_utime) + seconds(usage.ru_stime));
}

// What a piece of work took, on the clock and of the processor.
struct Took {
  double wall_seconds = 0;
  double cpu_seconds = 0;
};

template <class Work>
Took measure(Work work) {
  const auto cpu = cpu_time();
  const auto start = std::chrono::steady_clock::now();
  work();
  return {std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
          (cpu_time() - cpu).count()};
}

}  // namespace postbox::bench
