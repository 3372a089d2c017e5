// NetworkNamespace is a network of its own with one link to this one, which can be cut: what is
// sent then is neither answered nor refused, as behind a dead switch.
//
// Place:     tests of what several machines do, on one.
// Threads:   one thread at a time.
// Lifetime:  goes with the object. What runs in it keeps it until it ends.
// Failure:   address() is empty where that is not allowed: it takes root, and `ip`.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>

namespace postbox::tests {

class NetworkNamespace {
 public:
  // `number` is one of this process's own.
  explicit NetworkNamespace(int number)
      : name_("postbox-" + std::to_string(getpid()) + "-" + std::to_string(number)) {
    constexpr int kProcesses = 32'768;
    constexpr int kBlock = 256;
    const int place = (getpid() * 4 + number) % kProcesses;
    const std::string net = "10." + std::to_string(128 + place / kBlock % 64) + "." +
                            std::to_string(place % kBlock) + ".";
    outside_ = "pb" + std::to_string(place);
    if (geteuid() != 0 || !ip("netns add " + name_)) return;
    is_made_ = true;
    const std::string inside = outside_ + "i";
    if (ip("link add " + outside_ + " type veth peer name " + inside + " netns " + name_) &&
        ip("addr add " + net + "1/24 dev " + outside_) && ip("link set " + outside_ + " up") &&
        ip("-n " + name_ + " addr add " + net + "2/24 dev " + inside) &&
        ip("-n " + name_ + " link set lo up") &&
        ip("-n " + name_ + " link set " + inside + " up")) {
      inside_ = inside;
      address_ = net + "2";
    }
  }
  NetworkNamespace(const NetworkNamespace&) = delete;
  NetworkNamespace& operator=(const NetworkNamespace&) = delete;
  ~NetworkNamespace() {
    if (!outside_.empty() && !inside_.empty()) ip("link del " + outside_);
    if (is_made_) ip("netns del " + name_);
  }

  // Of what listens in it.
  [[nodiscard]] const std::string& address() const noexcept { return address_; }

  bool cut() const { return ip("-n " + name_ + " link set " + inside_ + " down"); }
  bool mend() const { return ip("-n " + name_ + " link set " + inside_ + " up"); }

  // Moves the calling thread into it: between fork() and exec().
  [[nodiscard]] bool enter() const noexcept {
    const int file = open(("/run/netns/" + name_).c_str(), O_RDONLY | O_CLOEXEC);
    return file >= 0 && setns(file, CLONE_NEWNET) == 0;
  }

 private:
  static bool ip(const std::string& words) {
    return std::system(("ip " + words + " 2> /dev/null").c_str()) == 0;  // NOLINT
  }

  const std::string name_;
  std::string outside_;
  std::string inside_;
  std::string address_;
  bool is_made_ = false;
};

}  // namespace postbox::tests
