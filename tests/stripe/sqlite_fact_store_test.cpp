#include <gtest/gtest.h>

#include <barrier>
#include <fstream>
#include <stripe/fact_store.hpp>
#include <thread>

#include "stripe/fact_store_conformance.hpp"

namespace postbox::tests {
namespace {

std::shared_ptr<stripe::FactStore> open_sqlite(const std::string& path,
                                               stripe::FactStoreLimits limits) {
  return stripe::sqlite_fact_store(path, limits);
}

INSTANTIATE_TEST_SUITE_P(Stripe, AnyFactStore,
                         ::testing::Values(FactStoreKind{open_sqlite, false},
                                           FactStoreKind{open_sqlite, true}),
                         fact_store_name);

std::string begin_of(const std::string& path) {
  std::string text(6, '\0');
  std::ifstream(path).read(text.data(), 6);
  return text;
}

std::vector<std::string> damaged_files_in(const TemporaryFolder& folder) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    const std::string name = entry.path().filename();
    const bool is_log = name.ends_with("-wal") || name.ends_with("-shm");
    if (name.starts_with("m.damaged-") && !is_log) found.push_back(entry.path());
  }
  std::ranges::sort(found);
  return found;
}

TEST(StripeFactStore, AFileOfWhichNothingCanBeReadIsMovedAsideAndANewOneBegun) {
  const TemporaryFolder folder;
  const std::string path = folder.file("m");
  for (const std::size_t times : {1U, 2U}) {
    std::ofstream(path) << std::string(4'096, 'x');
    std::vector<std::string> log;
    const auto store = stripe::sqlite_fact_store(
        path, {}, [&](LogLevel, std::string_view line) { log.emplace_back(line); });
    put_fact(*store, "a", "1", kFactTime);
    EXPECT_EQ(fact_value(*store, "a"), "1");
    const auto aside = damaged_files_in(folder);
    ASSERT_EQ(aside.size(), times);
    ASSERT_EQ(log.size(), 1U);
    EXPECT_NE(log[0].find("'" + path + "' was damaged and is kept as '" + path + ".damaged-"),
              std::string::npos)
        << log[0];
    EXPECT_EQ(begin_of(aside.back()), "xxxxxx");
    EXPECT_EQ(begin_of(path), "SQLite");
  }
}

// What waits was answered with 200: Stripe does not send it again.
TEST(StripeFactStore, WhatCanBeReadOfADamagedFileGoesOn) {
  const TemporaryFolder folder;
  const std::string path = folder.file("m");
  constexpr int kBodies = 200;
  const auto body = [](int i) { return "{" + std::to_string(i) + "}" + std::string(3'000, 'b'); };
  {
    const auto store = stripe::sqlite_fact_store(path);
    put_fact(*store, "a", "1", kFactTime);
    EXPECT_TRUE(store->put_decisions({{"d", "1"}}, kFactTime, kFactTime + 1h).value());
    for (int i = 0; i < kBodies; ++i) {
      EXPECT_TRUE(store->put_body({"evt_" + std::to_string(i), body(i), "k", kFactTime}));
    }
  }
  // One page in the middle of the bodies.
  std::string file(std::filesystem::file_size(path), '\0');
  std::ifstream(path, std::ios::binary)
      .read(file.data(), static_cast<std::streamsize>(file.size()));
  const std::size_t page = file.find("{100}") / 4096 * 4096;
  file.replace(page, 4096, std::string(4096, 'x'));
  std::ofstream(path, std::ios::binary) << file;

  std::vector<std::string> log;
  const auto store = stripe::sqlite_fact_store(
      path, {}, [&](LogLevel, std::string_view line) { log.emplace_back(line); });
  const auto ready = store->ready_bodies({}, kFactTime);
  ASSERT_TRUE(ready) << ready.error().message;
  EXPECT_GT(ready->size(), kBodies - 10U);
  EXPECT_LT(ready->size(), std::size_t{kBodies});
  for (const auto& waiting : *ready) {
    EXPECT_EQ(waiting.body, body(std::stoi(waiting.event_id.substr(4))));
  }
  EXPECT_EQ(fact_value(*store, "a"), "1");
  EXPECT_EQ(store->find_decision("d", kFactTime).value(), "1");
  ASSERT_EQ(log.size(), 1U);
  EXPECT_NE(log[0].find(std::to_string(ready->size()) + " waiting webhooks were salvaged"),
            std::string::npos)
      << log[0];
}

// The one that comes second must not move the new file.
TEST(StripeFactStore, AFileThatSeveralFindDamagedIsMovedOnce) {
  for (int round = 0; round < 20; ++round) {
    const TemporaryFolder folder;
    const std::string path = folder.file("m");
    std::ofstream(path) << std::string(4'096, 'x');
    std::vector<std::thread> users;
    std::barrier begin(4);
    for (int i = 0; i < 4; ++i) {
      users.emplace_back([&, i] {
        const auto store = stripe::sqlite_fact_store(path);
        begin.arrive_and_wait();
        EXPECT_TRUE(store->put_body({"evt_" + std::to_string(i), "{}", "k", kFactTime}));
      });
    }
    for (std::thread& user : users) user.join();
    EXPECT_EQ(damaged_files_in(folder).size(), 1U);
    EXPECT_EQ(stripe::sqlite_fact_store(path)->awaited_keys().value().size(), 4U);
  }
}

TEST(StripeFactStore, AFileThatIsDamagedInUseIsReplacedByOneOfThoseWhoUseIt) {
  const TemporaryFolder folder;
  const std::string path = folder.file("m");
  const auto one = stripe::sqlite_fact_store(path);
  const auto other = stripe::sqlite_fact_store(path);
  put_fact(*one, "a", "1", kFactTime);
  EXPECT_EQ(fact_value(*other, "a"), "1");
  for (const char* suffix : {"", "-wal"}) {
    std::fstream file(path + suffix, std::ios::in | std::ios::out | std::ios::binary);
    file << std::string(std::filesystem::file_size(path + suffix), 'x');
  }
  put_fact(*one, "a", "2",
           kFactTime);  // one of the two meets the damage, the other what became of it
  put_fact(*other, "b", "2", kFactTime);
  put_fact(*one, "a", "3", kFactTime);
  EXPECT_EQ(fact_value(*one, "b"), "2");
  EXPECT_EQ(fact_value(*other, "a"), "3");
  EXPECT_EQ(damaged_files_in(folder).size(), 1U);
}

}  // namespace
}  // namespace postbox::tests
