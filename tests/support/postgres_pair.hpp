// PostgresPair is a primary and its streaming standby, each on a network of its own where that can
// be had. What is committed is on both: synchronous_standby_names.
//
// Place:     tests of what a fail-over does to an outbox.
// Threads:   one thread at a time.
// Lifetime:  both servers stop with the object.
// Failure:   an expectation of the test.
#pragma once

#include <array>
#include <cstddef>
#include <string>

#include "network_namespace.hpp"
#include "postgres_fixture.hpp"
#include "postgres_server.hpp"

namespace postbox::tests {

class PostgresPair {
 public:
  PostgresPair() { replicate("*"); }

  // For programs: both servers, of which they find the primary.
  [[nodiscard]] std::string fresh_url() {
    std::string url = testing::fresh_url(primary());
    const std::string host = "host=" + primary().host();
    url.replace(url.find(host), host.size(),
                host + ',' + standby().host() + "&target_session_attrs=read-write");
    return url;
  }

  [[nodiscard]] bool has_networks() const {
    return !networks_[0].address().empty() && !networks_[1].address().empty();
  }

  // A crash, and the recovery.
  void restart() {
    primary().kill_hard();
    EXPECT_TRUE(primary().start());
  }

  void cut() { EXPECT_TRUE(networks_.at(primary_).cut()); }
  void mend() { EXPECT_TRUE(networks_.at(primary_).mend()); }

  // As whoever manages servers does it: the standby takes over, the old primary is put out of the
  // way, and then begins anew as the standby.
  void fail_over() {
    if (!is_cut_off_) primary().kill_hard();
    EXPECT_TRUE(standby().promote());
    primary_ = 1 - primary_;
    replicate("");
    if (is_cut_off_) {
      standby().kill_hard();
      EXPECT_TRUE(networks_.at(1 - primary_).mend());
      is_cut_off_ = false;
    }
    EXPECT_TRUE(standby().follow(primary()));
    replicate("*");
  }

  // The same of a primary that lives on and that nobody reaches.
  void fail_over_from_isolated() {
    cut();
    is_cut_off_ = true;
    fail_over();
  }

 private:
  [[nodiscard]] PostgresServer& primary() { return *servers_.at(primary_); }
  [[nodiscard]] PostgresServer& standby() { return *servers_.at(1 - primary_); }

  void replicate(const std::string& names) {
    testing::Psql psql(primary().url());
    psql.run("ALTER SYSTEM SET synchronous_standby_names = '" + names + "'");
    psql.run("SELECT pg_reload_conf()");
  }

  const NetworkNamespace* network(std::size_t number) const {
    return has_networks() ? &networks_.at(number) : nullptr;
  }

  std::array<NetworkNamespace, 2> networks_{NetworkNamespace(0), NetworkNamespace(1)};
  PostgresServer one_{PostgresServer::Disk::kDurable, network(0)};
  PostgresServer other_{PostgresServer::StandbyOf{one_}, network(1)};
  std::array<PostgresServer*, 2> servers_{&one_, &other_};
  std::size_t primary_ = 0;
  bool is_cut_off_ = false;
};

}  // namespace postbox::tests
