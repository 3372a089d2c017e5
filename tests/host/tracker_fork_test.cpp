// fork() at any time: the child tracks on its own, and the parent goes on (pitfall P31).
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <postbox/operator.hpp>
#include <postbox/testing/scripted_http_client.hpp>
#include <thread>

#include "base/fork_gate.hpp"
#include "support/guest.hpp"

namespace postbox::tests {
namespace {

class Fork : public Guest {
 protected:
  void SetUp() override {
    if (!kForkIsTestable) GTEST_SKIP() << "the sanitizers themselves do not survive a fork";
    Guest::SetUp();
  }
};

TEST_F(Fork, TheChildTracksIntoTheSameOutboxAndTheParentSends) {
  Tracker tracker = start();
  ASSERT_TRUE(bought(tracker, "before"));
  Child child([&] { return bought(tracker, "child"); });
  EXPECT_TRUE(child.went_well());
  EXPECT_TRUE(bought(tracker, "parent"));
  EXPECT_TRUE(tracker.flush(kPatience));
  expect_recorded({"before", "child", "parent"});
}

TEST_F(Fork, AChildOfAChildTracksToo) {
  Tracker tracker = start();
  Child child([&] {
    Child grandchild([&] { return bought(tracker, "grandchild"); });
    const bool own = bought(tracker, "child");
    return grandchild.went_well() && own;
  });
  EXPECT_TRUE(child.went_well());
  EXPECT_TRUE(bought(tracker, "parent"));
  EXPECT_TRUE(tracker.flush(kPatience));
  expect_recorded({"grandchild", "child", "parent"});
}

TEST_F(Fork, TheChildCountsOnlyWhatItWasOfferedItself) {
  Tracker tracker = start();
  ASSERT_TRUE(bought(tracker, "a"));
  ASSERT_TRUE(tracker.flush(kPatience));
  Child child([&] {
    if (!bought(tracker, "b")) return false;
    const Stats stats = tracker.stats();
    return stats.conserved() && stats.offered - stats.recovered == 2;
  });
  EXPECT_TRUE(child.went_well());
}

TEST_F(Fork, TheFlagsInForceAtTheForkAreTheChilds) {
  const std::string file = folder.file("settings");
  std::ofstream(file) << "KLAVIYO_API_KEY=pk_for_tests\nKLAVIYO_API_URL=http://127.0.0.1:"
                      << klaviyo_port << "\nPOSTBOX_OUTBOX=sqlite:" << folder.file("outbox.db")
                      << "\nKLAVIYO_PURCHASE_EVENTS_ENABLED=false\nPOSTBOX_LOG_LEVEL=off\n";
  Tracker tracker = klaviyo::start(klaviyo::Config::from_env(file)).value();
  std::ofstream(file, std::ios::app) << "KLAVIYO_PURCHASE_EVENTS_ENABLED=true\n";
  ASSERT_TRUE(tracker.reload());
  Child child([&] {
    const bool on = bought(tracker, "a");
    std::ofstream(file, std::ios::app) << "KLAVIYO_PURCHASE_EVENTS_ENABLED=false\n";
    return on && tracker.reload() && buy(tracker, "b") == TrackStatus::kDisabled;
  });
  EXPECT_TRUE(child.went_well());
  EXPECT_TRUE(bought(tracker, "c"));
}

TEST_F(Fork, ATrackerThatIsDestroyedOrStoppedInTheChildIsWholeInTheParent) {
  std::optional<Tracker> tracker(start());
  ASSERT_TRUE(bought(*tracker, "before"));
  Child unused([&] {
    tracker.reset();
    return true;
  });
  Child used([&] {
    const bool own = bought(*tracker, "child");
    tracker.reset();
    return own;
  });
  Child stopped([&] {
    tracker->stop(kPatience);
    return buy(*tracker, "late") == TrackStatus::kClosed && tracker->stats().closed == 2;
  });
  EXPECT_TRUE(unused.went_well());
  EXPECT_TRUE(used.went_well());
  EXPECT_TRUE(stopped.went_well());
  EXPECT_TRUE(bought(*tracker, "parent"));
  EXPECT_TRUE(tracker->flush(kPatience));
  expect_recorded({"before", "child", "parent"});
}

TEST_F(Fork, AChildMayStartATrackerOfItsOwnBesideTheInheritedOne) {
  Tracker tracker = start();
  ASSERT_TRUE(bought(tracker, "parent"));
  Child child([&] {
    Tracker own = start();
    return bought(own, "child") && bought(tracker, "heir");
  });
  EXPECT_TRUE(child.went_well());
  EXPECT_TRUE(bought(tracker, "again"));
  EXPECT_TRUE(tracker.flush(kPatience));
  expect_recorded({"parent", "child", "heir", "again"});
}

TEST_F(Fork, TheChildSendsWhenTheParentHasGone) {
  Signal parent_lives;
  Signal done;
  Child parent([&] {
    Tracker tracker = start();
    if (!bought(tracker, "parent") || !tracker.flush(kPatience)) return false;
    const Child child([&] {
      parent_lives.stay_silent();
      (void)parent_lives.wait();
      if (bought(tracker, "child") && tracker.flush(kPatience)) done.give();
      return true;
    });
    _exit(0);
  });
  parent_lives.stay_silent();
  EXPECT_TRUE(parent.went_well());
  done.stay_silent();
  EXPECT_TRUE(done.wait());
  expect_recorded({"parent", "child"});
}

// A parent with an idle child is killed; whether it was forked in the middle of a call or not, the
// child does not keep the sender lock.
class ForkedServer : public Fork, public ::testing::WithParamInterface<bool> {};

TEST_P(ForkedServer, AnIdleChildDoesNotKeepTheSendersSeat) {
  Signal ready;
  Signal end;
  Child parent([&] {
    Tracker tracker = start();
    if (!bought(tracker, "parent") || !tracker.flush(kPatience)) return false;
    std::optional<NoFork> in_the_middle;
    if (GetParam()) in_the_middle.emplace();
    const Child idle([&] {
      end.stay_silent();
      ready.give();
      return !end.wait();
    });
    for (;;) pause();
  });
  ASSERT_TRUE(ready.wait());
  parent.end(SIGKILL);
  Tracker next = start();
  EXPECT_TRUE(bought(next, "next"));
  EXPECT_TRUE(next.flush(kPatience));
  expect_recorded({"parent", "next"});
}

INSTANTIATE_TEST_SUITE_P(InACall, ForkedServer, ::testing::Bool());

TEST_F(Fork, UnderLoadEveryChildTracksAndNothingIsLostOrDoubled) {
  constexpr int kChildren = 30;
  Tracker tracker = start();
  std::set<std::string> all;
  std::atomic<bool> enough{false};
  std::thread buyer([&] {
    for (int i = 0; !enough; ++i) {
      const std::string id = "parent-" + std::to_string(i);
      if (bought(tracker, id)) all.insert(id);
    }
  });
  std::set<std::string> from_children;
  for (int i = 0; i < kChildren; ++i) {
    const std::string id = "child-" + std::to_string(i);
    Child child([&] { return bought(tracker, id); });
    EXPECT_TRUE(child.went_well()) << id;
    from_children.insert(id);
  }
  enough = true;
  buyer.join();
  EXPECT_TRUE(bought(tracker, "last"));
  EXPECT_TRUE(tracker.flush(kPatience));
  all.merge(from_children);
  all.insert("last");
  expect_recorded(all);
}

TEST_F(Fork, WithPartsOfTheHostsOwnTheChildsTrackerIsClosed) {
  Tracker tracker = start({.http = std::make_shared<testing::ScriptedHttpClient>()});
  Child child([&] {
    const bool closed = buy(tracker, "a") == TrackStatus::kClosed;
    const Stats stats = tracker.stats();
    return closed && !stats.complete && stats.closed == 2 && stats.offered == 2 &&
           tracker.flush(kPatience) && tracker.reload().error().code == ErrorCode::kClosed &&
           tracker.purge({}).error().code == ErrorCode::kClosed;
  });
  EXPECT_TRUE(child.went_well());
  EXPECT_TRUE(bought(tracker, "b"));
}

TEST_F(Fork, FromInsideACallOfTheLibraryTheChildIsClosedAndCannotStartAnew) {
  Tracker tracker = start();
  const NoFork in_the_middle;
  Child child([&] {
    const auto started = klaviyo::start(config());
    return !forked_at_rest() && buy(tracker, "a") == TrackStatus::kClosed && !started &&
           started.error().code == ErrorCode::kClosed;
  });
  EXPECT_TRUE(child.went_well());
}

TEST_F(Fork, ServersThatWereForkedBeforeShareTheOutboxAndOneSendsAtATime) {
  constexpr int kServers = 4;
  constexpr int kOrders = 50;
  std::vector<std::unique_ptr<Child>> servers;
  std::set<std::string> all;
  for (int number = 0; number < kServers; ++number) {
    const auto id = [number](int i) { return std::to_string(number) + "-" + std::to_string(i); };
    for (int i = 0; i < kOrders; ++i) all.insert(id(i));
    servers.push_back(std::make_unique<Child>([&] {
      Tracker tracker = start();
      bool well = true;
      for (int i = 0; i < kOrders; ++i) well = bought(tracker, id(i)) && well;
      return well && tracker.stop(kPatience).in_memory == 0;
    }));
  }
  for (auto& each : servers) EXPECT_TRUE(each->went_well());
  Tracker last = start();
  EXPECT_TRUE(last.flush(kPatience));
  expect_recorded(all);
  // Nobody sent what another was sending.
  const auto answer = httplib::Client("127.0.0.1", klaviyo_port).Get("/sim/stats");
  ASSERT_TRUE(answer);
  EXPECT_EQ(Json::parse(answer->body)["duplicates"], 0) << answer->body;
}

}  // namespace
}  // namespace postbox::tests
