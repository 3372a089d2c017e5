// The conformance suite over a real server.
#include <numeric>

#include "outbox/outbox_conformance.hpp"
#include "support/postgres_fixture.hpp"

namespace postbox::testing {
namespace {

OutboxOptions encrypted_options(const std::filesystem::path& folder) {
  OutboxOptions options = postgres_options(folder);
  options.encryption_keys = {std::string(64, 'a')};
  return options;
}

OutboxOptions spilling_options(const std::filesystem::path& folder) {
  OutboxOptions options = postgres_options(folder);
  options.spill = "sqlite:" + (folder / "spill.db").string();
  return options;
}

std::vector<OutboxBackend> backends() {
  if (!has_postgres()) return {};
  return {{"Plain", postgres_options}, {"Encrypted", encrypted_options}};
}

// The whole of it stands in outbox_tests, over a store that is quicker.
std::vector<OutboxBackend> backends_and_spilling() {
  std::vector<OutboxBackend> all = backends();
  if (!all.empty()) all.push_back({"Spilling", spilling_options});
  return all;
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(OutboxConformance);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(OutboxHeld);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(OutboxTimers);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(OutboxOrder);
INSTANTIATE_TEST_SUITE_P(Postgres, OutboxConformance, ::testing::ValuesIn(backends()),
                         backend_name);
INSTANTIATE_TEST_SUITE_P(Postgres, OutboxHeld, ::testing::ValuesIn(backends()), backend_name);
INSTANTIATE_TEST_SUITE_P(Postgres, OutboxTimers, ::testing::ValuesIn(backends()), backend_name);
INSTANTIATE_TEST_SUITE_P(Postgres, OutboxOrder, ::testing::ValuesIn(backends_and_spilling()),
                         backend_name);

TEST(PostgresServer, IsInstalled) {
  if (!has_postgres()) GTEST_SKIP() << "no PostgreSQL server is installed";
  EXPECT_FALSE(postgres_server().url().empty());
}

}  // namespace
}  // namespace postbox::testing
