// Calls in a rhythm, each measured by itself, and what the process uses meanwhile.
#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace postbox::bench {

// The resources that the process has used so far, and the calling thread's part of them.
struct Usage {
  double cpu_us = 0;
  double driver_us = 0;
  double switches = 0;
  double written = 0;  // bytes that went to the disk

  static Usage now() {
    const auto us = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
    };
    rusage all{};
    rusage own{};
    getrusage(RUSAGE_SELF, &all);
    getrusage(RUSAGE_THREAD, &own);
    Usage usage{.cpu_us = us(all.ru_utime) + us(all.ru_stime),
                .driver_us = us(own.ru_utime) + us(own.ru_stime),
                .switches = static_cast<double>(all.ru_nvcsw + all.ru_nivcsw - own.ru_nvcsw -
                                                own.ru_nivcsw)};
    std::ifstream io("/proc/self/io");
    for (std::string name; io >> name;) {
      double value = 0;
      io >> value;
      if (name == "write_bytes:") usage.written = value;
    }
    return usage;
  }
};

struct Measured {
  std::vector<double> each;  // ns, of a call

  double quantile(double q) {
    std::ranges::sort(each);
    return each[static_cast<std::size_t>(q * static_cast<double>(each.size() - 1))];
  }
};

// Calls so often a second, each at its time, whatever the one before has taken.
template <class Call>
Measured pace(std::size_t calls, std::chrono::nanoseconds apart, Call call) {
  Measured measured;
  measured.each.reserve(calls);
  const auto begin = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < calls; ++i) {
    std::this_thread::sleep_until(begin + apart * static_cast<std::int64_t>(i));
    const auto start = std::chrono::steady_clock::now();
    call(i);
    measured.each.push_back(
        static_cast<double>((std::chrono::steady_clock::now() - start).count()));
  }
  return measured;
}

}  // namespace postbox::bench
