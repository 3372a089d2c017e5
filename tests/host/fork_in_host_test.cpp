// fork() in a host whose other parts are at work: libraries with fork handlers of their own,
// webhooks, and the host's own use of SQLite. A limit of time is for hangs only.
#include <gtest/gtest.h>
#include <pthread.h>
#include <sqlite3.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <postbox/clock.hpp>
#include <stripe/encrypted_fact_store.hpp>
#include <stripe/stripe.hpp>
#include <thread>

#include "base/fork_gate.hpp"
#include "support/guest.hpp"
#include "support/stripe_events.hpp"

namespace postbox::tests {
namespace {

constexpr unsigned kHangs = 240;  // seconds

// Another library, whose handlers were there before ours: they come last before a fork.
std::mutex others_lock;
std::atomic<bool> other_takes_part{false};

const int kRegistered = pthread_atfork(
    [] {
      if (other_takes_part) others_lock.lock();
    },
    [] {
      if (other_takes_part) others_lock.unlock();
    },
    [] {
      if (other_takes_part) others_lock.unlock();
    });

// Runs `work` on a thread until the scope ends.
class Meanwhile {
 public:
  template <class Work>
  explicit Meanwhile(Work work)
      : thread_([this, work] {
          while (!enough_) work();
        }) {}
  Meanwhile(const Meanwhile&) = delete;
  Meanwhile& operator=(const Meanwhile&) = delete;
  ~Meanwhile() {
    enough_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> enough_{false};
  std::thread thread_;
};

class ForkInHost : public Guest {
 protected:
  void SetUp() override {
    if (!kForkIsTestable) GTEST_SKIP() << "the sanitizers themselves do not survive a fork";
    ASSERT_EQ(kRegistered, 0);
    Guest::SetUp();
  }

  // The host as a process of its own, so that one that hangs fails the test and no more.
  template <class Work>
  static bool hosts_well(Work work) {
    Child host([&] {
      alarm(kHangs);
      return work();
    });
    return host.went_well();
  }

  // Whether a child ends, and says that it could track or that it could not.
  static bool child_answers(Tracker& tracker, const std::string& id, int& accepted) {
    Child child([&] {
      alarm(kHangs / 2);
      const TrackStatus status = buy(tracker, id);
      if (status == TrackStatus::kClosed) _exit(7);
      return status == TrackStatus::kAccepted;
    });
    const int code = child.exit_code();
    if (code == 0) ++accepted;
    return code == 0 || code == 7;
  }
};

TEST_F(ForkInHost, AHandlerOfAnotherLibraryThatWaitsForAThreadOfOursHangsNobody) {
  EXPECT_TRUE(hosts_well([&] {
    Tracker tracker = start();
    if (!bought(tracker, "before")) return false;
    other_takes_part = true;
    const auto call_under_its_lock = [&] {
      const std::lock_guard lock(others_lock);
      (void)tracker.stats();
    };
    const Meanwhile first(call_under_its_lock);
    const Meanwhile second(call_under_its_lock);
    int accepted = 0;
    bool well = true;
    for (int i = 0; i < 30 && well; ++i) {
      well = child_answers(tracker, "child-" + std::to_string(i), accepted);
    }
    return well && bought(tracker, "after");
  }));
}

TEST_F(ForkInHost, WhileWebhooksAreHandledEveryChildTracksAndHandlesThem) {
  EXPECT_TRUE(hosts_well([&] {
    Tracker tracker = start();
    stripe::Config settings;
    settings.secrets = {"whsec_for_tests"};
    settings.test_mode = true;
    settings.log = nullptr;
    auto webhook = stripe::Webhook::start(settings, tracker).value();
    const auto handle = [&](const Json& body) {
      const std::string text = body.dump();
      const WallTime now = system_clock()->wall_now();
      return webhook.handle(text, stripe::sign(text, "whsec_for_tests", now)).status;
    };
    const auto deliver = [&] {
      return handle(stripe_event("customer.created", stripe_customer()));
    };
    if (deliver() != 200) return false;
    const Meanwhile first(deliver);
    const Meanwhile second(deliver);
    for (int i = 0; i < 30; ++i) {
      Child child([&] {
        alarm(kHangs / 2);
        // In the middle of a call that took a second the child is closed, and says so.
        if (!bought(tracker, "child-" + std::to_string(i))) return !forked_at_rest();
        return deliver() == 200 && webhook.counts().ignored == 1;
      });
      if (!child.went_well()) return false;
    }
    return std::filesystem::exists(folder.file("outbox.db-stripe"));
  }));
}

TEST_F(ForkInHost, WhileTheHostUsesSqliteItselfEveryChildTracksOrSaysThatItCannot) {
  EXPECT_TRUE(hosts_well([&] {
    Tracker tracker = start();
    if (!bought(tracker, "before")) return false;
    const auto use_sqlite = [] {
      sqlite3* handle = nullptr;
      sqlite3_open(":memory:", &handle);
      sqlite3_exec(handle, "CREATE TABLE t(a); INSERT INTO t VALUES (randomblob(2000))", nullptr,
                   nullptr, nullptr);
      sqlite3_close(handle);
    };
    const Meanwhile host(use_sqlite);
    int accepted = 0;
    for (int i = 0; i < 60; ++i) {
      if (!child_answers(tracker, "child-" + std::to_string(i), accepted)) return false;
    }
    std::cerr << accepted << " of 60 children tracked, the others said that they cannot\n";
    return bought(tracker, "after");
  }));
}

TEST_F(ForkInHost, AChildWithoutATrackerFindsOutWhenItStartsOne) {
  EXPECT_TRUE(hosts_well([&] {
    (void)fork_generation();
    sqlite3_mutex* const lock = sqlite3_mutex_alloc(SQLITE_MUTEX_STATIC_MEM);
    sqlite3_mutex_enter(lock);
    Child child([&] {
      alarm(kHangs / 2);
      const auto started = klaviyo::start(config());
      return !started && started.error().code == ErrorCode::kClosed;
    });
    const bool well = child.went_well();
    sqlite3_mutex_leave(lock);
    Tracker tracker = start();
    return well && bought(tracker, "a");
  }));
}

// An end of the webhook in the child waits for no thread of the parent's.
TEST_F(ForkInHost, AWebhookThatIsDestroyedInTheChildIsWholeInTheParent) {
  EXPECT_TRUE(hosts_well([&] {
    Tracker tracker = start();
    stripe::Config settings;
    settings.secrets = {"whsec_for_tests"};
    settings.log = nullptr;
    std::optional<stripe::Webhook> webhook(stripe::Webhook::start(settings, tracker).value());
    Child child([&] {
      alarm(kHangs / 2);
      webhook.reset();
      return true;
    });
    Child user([&] {
      alarm(kHangs / 2);
      const int status = webhook->handle("{}", "").status;
      webhook.reset();
      return status == 400;
    });
    return child.went_well() && user.went_well() && webhook->counts().received == 0;
  }));
}

// Whoever tracks it, parent or child: encrypted twice it would be a body of which no event can be
// made.
TEST_F(ForkInHost, ABodyThatBeginsToWaitInAChildIsEncryptedOnce) {
  const std::string key(64, 'e');
  const std::string body = stripe_trial_ending().dump();
  EXPECT_TRUE(hosts_well([&] {
    klaviyo::Config config;
    config.engine.outbox.url = "sqlite:" + folder.file("sealed.db");
    config.engine.outbox.encryption_keys = {key};
    config.engine.log = nullptr;
    Tracker tracker = klaviyo::start(config).value();
    stripe::Config settings;
    settings.secrets = {"whsec_for_tests"};
    settings.log = nullptr;
    auto webhook = stripe::Webhook::start(settings, tracker).value();
    Child child([&] {
      alarm(kHangs / 2);
      const WallTime now = system_clock()->wall_now();
      return webhook.handle(body, stripe::sign(body, "whsec_for_tests", now)).reason ==
             "waits for customer:cus_1";
    });
    if (!child.went_well()) return false;
    stripe::EncryptedFactStore store(stripe::sqlite_fact_store(folder.file("sealed.db-stripe")),
                                     {key});
    const auto waiting = store.ready_bodies({{"customer:cus_1", {}}}, WallTime::min());
    return waiting && waiting->size() == 1 && waiting->front().body == body;
  }));
}

// The default outbox is "postbox.db", and daemon() goes to "/".
TEST_F(ForkInHost, ARelativeOutboxIsThatOfTheStartWhereverTheProcessGoes) {
  const std::filesystem::path home = folder.path() / "home";
  const std::filesystem::path away = folder.path() / "away";
  std::filesystem::create_directories(home);
  std::filesystem::create_directories(away);
  EXPECT_TRUE(hosts_well([&] {
    if (chdir(home.c_str()) != 0) return false;
    std::ofstream(".env") << "KLAVIYO_API_KEY=pk_for_tests\nKLAVIYO_API_URL=http://127.0.0.1:"
                          << klaviyo_port << "\nPOSTBOX_LOG_LEVEL=off\n"
                          << "KLAVIYO_PURCHASE_EVENTS_ENABLED=true\n";
    Tracker tracker = klaviyo::start(klaviyo::Config::from_env()).value();
    if (chdir(away.c_str()) != 0) return false;
    stripe::Config settings;
    settings.secrets = {"whsec_for_tests"};
    settings.test_mode = true;
    settings.log = nullptr;
    auto webhook = stripe::Webhook::start(settings, tracker).value();
    const std::string body = stripe_event("customer.created", stripe_customer()).dump();
    const WallTime now = system_clock()->wall_now();
    Child child([&] { return bought(tracker, "child"); });
    return child.went_well() && bought(tracker, "parent") &&
           webhook.handle(body, stripe::sign(body, "whsec_for_tests", now)).status == 200 &&
           tracker.reload().has_value() && tracker.flush(kPatience);
  }));
  EXPECT_TRUE(std::filesystem::is_empty(away));
  EXPECT_TRUE(std::filesystem::exists(home / "postbox.db-stripe"));
  expect_recorded({"child", "parent"});
}

}  // namespace
}  // namespace postbox::tests
