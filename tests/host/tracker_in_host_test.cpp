// The tracker as a guest in somebody else's process: ends of all kinds, modules, signals,
// exceptions.
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <csignal>
#include <klaviyo/encode.hpp>
#include <postbox/clock.hpp>
#include <postbox/event.hpp>
#include <postbox/http_client.hpp>
#include <postbox/outbox.hpp>
#include <postbox/services.hpp>
#include <stdexcept>
#include <stripe/stripe.hpp>

#include "support/fake_vendor.hpp"
#include "support/guest.hpp"
#include "support/guest_module.hpp"
#include "support/stripe_events.hpp"

namespace postbox::tests {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

class InHost : public Guest {
 protected:
  void SetUp() override {
    Guest::SetUp();
    ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  }

  // In the simulator's place comes a socket that takes connections and never answers. It has no
  // threads that would go on while the process ends.
  void fall_silent() {
    klaviyo.stop();
    silent_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int reuse = 1;
    setsockopt(silent_, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(klaviyo_port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(bind(silent_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(listen(silent_, 64), 0);
  }

  // Returns when a request is on its way.
  void hang_in_a_request(Tracker& tracker) {
    fall_silent();
    ASSERT_TRUE(bought(tracker, "hangs"));
    for (int question = 0; question < 100'000; ++question) {
      if (tracker.stats().requests > 0) return;
      std::this_thread::yield();
    }
    FAIL() << "no request was sent";
  }

 private:
  int silent_ = -1;  // closed with the process
};

// The promise is 50 ms after the deadline; a loaded machine may be late, and the figure is printed.
TEST_F(InHost, StopKeepsItsDeadlineWhileARequestHangsAndSaysWhatItLeft) {
  LogLines lines;
  klaviyo::Config with_log = config();
  with_log.engine.log = lines.sink();
  Tracker tracker = klaviyo::start(with_log).value();
  hang_in_a_request(tracker);
  constexpr milliseconds kDeadline{200};
  const auto before = steady_clock::now();
  const StopReport report = tracker.stop(kDeadline);
  const auto took = std::chrono::duration_cast<milliseconds>(steady_clock::now() - before);
  RecordProperty("stop_took_ms", static_cast<int>(took.count()));
  std::cout << "stop(" << kDeadline.count() << " ms) took " << took.count() << " ms\n";
  EXPECT_LT(took, kDeadline + std::chrono::seconds(10));
  EXPECT_EQ(report.in_memory, 0U);
  EXPECT_EQ(report.in_outbox, 2U);
  EXPECT_EQ(lines.count("stopped: 2 events wait in the outbox for the next start"), 1U);
}

TEST_F(InHost, ExitWhileARequestHangsEndsTheProcess) {
  EXPECT_EXIT(
      {
        static Tracker* const never_destroyed = new Tracker(start());
        hang_in_a_request(*never_destroyed);
        std::exit(HasFailure() ? 1 : 7);
      },
      ::testing::ExitedWithCode(7), "");
}

TEST_F(InHost, AStaticTrackerIsDestroyedAtExitWhileARequestHangs) {
  EXPECT_EXIT(
      {
        static Tracker tracker = start();
        hang_in_a_request(tracker);
        std::exit(HasFailure() ? 1 : 7);
      },
      ::testing::ExitedWithCode(7), "");
}

TEST_F(InHost, EventsAreTrackedFromDestructorsOfStaticObjects) {
  struct LastWord {
    Tracker* tracker;
    ~LastWord() {
      if (!bought(*tracker, "last")) std::_Exit(1);
    }
  };
  EXPECT_EXIT(
      {
        fall_silent();
        static Tracker tracker = start();
        static const LastWord word{&tracker};
        std::exit(7);
      },
      ::testing::ExitedWithCode(7), "");
}

class Module {
 public:
  Module() : handle_(dlopen(POSTBOX_GUEST_MODULE, RTLD_NOW | RTLD_LOCAL)) {
    EXPECT_NE(handle_, nullptr) << dlerror();
  }
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;
  ~Module() { EXPECT_EQ(dlclose(handle_), 0); }

  static bool is_loaded() {
    void* const found = dlopen(POSTBOX_GUEST_MODULE, RTLD_NOW | RTLD_NOLOAD);
    return found != nullptr && dlclose(found) == 0;
  }

  template <class Function>
  Function* find(const char* name) const {
    return reinterpret_cast<Function*>(dlsym(handle_, name));
  }

 private:
  void* handle_;
};

TEST_F(InHost, AModuleThatLinkedPostboxIsUnloadedAndLoadedAgain) {
  const klaviyo::Config settings = config();
  const GuestSettings guest{settings.api_url.c_str(), settings.engine.outbox.url.c_str(), -1, -1};
  std::set<std::string> all;
  for (int visit = 0; visit < 3; ++visit) {
    const std::string id = "visit-" + std::to_string(visit);
    all.insert(id);
    // On a thread of its own, as in a server that takes a module out of service.
    std::thread([&] {
      const Module module;
      EXPECT_TRUE(module.find<decltype(guest_start)>("guest_start")(&guest));
      EXPECT_TRUE(module.find<decltype(guest_buy)>("guest_buy")(id.c_str()));
      EXPECT_TRUE(module.find<decltype(guest_flush)>("guest_flush")());
      EXPECT_TRUE(module.find<decltype(guest_stop)>("guest_stop")(10'000));
    }).join();
#if defined(__clang__)
    // gcc marks what a module has of the standard library's templates as unique in the process,
    // and the module with it as never to be unloaded.
    // And glibc unloads one that had objects of a thread when it is closed the next time.
    (void)Module::is_loaded();
    EXPECT_FALSE(Module::is_loaded());
#endif
    // No handler of the module's is left behind.
    if (kForkIsTestable) {
      EXPECT_TRUE(Child([] { return true; }).went_well());
    }
  }
  expect_recorded(all);
}

TEST_F(InHost, AModuleWhoseWorkerHangsStaysLoadedUntilTheWorkerHasEnded) {
  const klaviyo::Config settings = config();
  Signal release;
  const Signal gone;
  const GuestSettings guest{settings.api_url.c_str(), settings.engine.outbox.url.c_str(),
                            release.reading_end(), gone.writing_end()};
  std::thread([&] {
    const Module module;
    EXPECT_TRUE(module.find<decltype(guest_start)>("guest_start")(&guest));
    EXPECT_TRUE(module.find<decltype(guest_buy)>("guest_buy")("hangs"));
    EXPECT_FALSE(module.find<decltype(guest_stop)>("guest_stop")(50));
  }).join();
  EXPECT_TRUE(Module::is_loaded());
  release.stay_silent();
  EXPECT_TRUE(gone.wait());  // the worker went on, in code that is still there
}

class Alarms {
 public:
  // A signal every half a millisecond, to whichever thread takes it; system calls are interrupted.
  Alarms() {
    home_ = pthread_self();
    struct sigaction action {};
    action.sa_handler = [](int) { (pthread_equal(pthread_self(), home_) != 0 ? host : stray)++; };
    sigaction(SIGALRM, &action, &before_);
    const itimerval each{{0, 500}, {0, 500}};
    setitimer(ITIMER_REAL, &each, nullptr);
  }
  Alarms(const Alarms&) = delete;
  Alarms& operator=(const Alarms&) = delete;
  ~Alarms() {
    const itimerval none{};
    setitimer(ITIMER_REAL, &none, nullptr);
    sigaction(SIGALRM, &before_, nullptr);
  }

  static inline std::atomic<int> host{0};
  static inline std::atomic<int> stray{0};  // on a thread that is not the test's

 private:
  static inline pthread_t home_{};
  struct sigaction before_ {};
};

TEST_F(InHost, AStormOfSignalsInterruptsNothingAndNoHandlerRunsOnOurThreads) {
  klaviyo.stop();  // its threads would take the signals
  Tracker tracker = start();
  stripe::Config settings;
  settings.secrets = {"whsec_for_tests"};
  settings.test_mode = true;
  settings.log = nullptr;
  auto webhook = stripe::Webhook::start(settings, tracker).value();
  Alarms::host = Alarms::stray = 0;
  {
    const Alarms alarms;
    // It waits, and wakes the webhook's thread.
    Json trial = stripe_subscription("trialing");
    trial["trial_end"] = kStripeStart + 86'400;
    const std::string body =
        stripe_event("customer.subscription.trial_will_end", std::move(trial)).dump();
    const WallTime now = system_clock()->wall_now();
    EXPECT_EQ(webhook.handle(body, stripe::sign(body, "whsec_for_tests", now)).status, 200);
    for (int i = 0; i < 50 || Alarms::host < 20; ++i) {
      EXPECT_TRUE(bought(tracker, std::to_string(i)));
    }
    EXPECT_FALSE(tracker.flush(milliseconds(50)));
    EXPECT_EQ(tracker.stop(std::chrono::seconds(10)).in_memory, 0U);
  }
  EXPECT_GE(Alarms::host, 20);
  EXPECT_EQ(Alarms::stray, 0);
}

// A client that faults on the sender's thread, as a bug of the host's or of this library might.
class FaultyClient final : public HttpClient {
 public:
  Result<TransferId> start(HttpRequest) override { return ++last_; }
  std::vector<HttpCompletion> poll(std::chrono::nanoseconds) override {
    raise(SIGSEGV);  // on this very thread
    return {};
  }
  void wake() noexcept override {}
  void cancel_all() noexcept override {}

 private:
  TransferId last_ = 0;
};

TEST_F(InHost, AFaultOnOurThreadReachesTheHostsCrashHandler) {
  EXPECT_EXIT(
      {
        struct sigaction action {};
        action.sa_handler = [](int) { _exit(9); };
        sigaction(SIGSEGV, &action, nullptr);
        const Tracker tracker = start({.http = std::make_shared<FaultyClient>()});
        for (;;) pause();
      },
      ::testing::ExitedWithCode(9), "");
}

TEST_F(InHost, ConnectionsThatBreakRaiseNoSigpipeInTheHost) {
  static std::atomic<int> pipes{0};
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) { ++pipes; };
  sigaction(SIGPIPE, &action, &before);
  {
    Tracker tracker = start();
    for (int round = 0; round < 3; ++round) {
      // One less than the breaker waits for, which would make this test a long one.
      set_faults(R"({"faults":[{"times":4,"reset":true}]})");
      EXPECT_TRUE(bought(tracker, std::to_string(round)));
      EXPECT_TRUE(tracker.flush(kPatience));
    }
  }
  sigaction(SIGPIPE, &before, nullptr);
  EXPECT_EQ(pipes, 0);
}

// What the host brings may throw anything at any time.
class ThrowingVendor final : public Destination {
 public:
  std::span<const Family> families() const noexcept override { return calm_.families(); }
  bool ready() const noexcept override { return true; }
  std::span<const Lane> lanes() const noexcept override { return calm_.lanes(); }
  std::uint32_t quota_per_mille() const noexcept override { return 1000; }
  HttpRequest request(std::size_t, std::span<const EventRecord* const>) const override { fail(); }
  Verdict verdict(const std::variant<HttpResponse, TransportFailure>&,
                  std::span<const EventRecord* const>, WallTime) const override {
    fail();
  }
  std::string type_of(const EventRecord&) const override { fail(); }
  void mark_backfill(EventRecord&) const override { fail(); }
  LogLine log_line(const EventRecord&, const Verdict&) const override { fail(); }

 private:
  [[noreturn]] static void fail() { throw std::runtime_error("the vendor's"); }
  FakeVendor calm_;
};

struct ThrowingNote : Note {
  Key profile_key() const { throw std::runtime_error("the event's"); }
  void encode(EventBatch&) const { throw 17; }
};

TEST_F(InHost, NoExceptionOfACallbackLeavesTheLibraryAndNoEventIsLost) {
  Config engine = config().engine;
  engine.log = [](LogLevel, std::string_view) { throw std::runtime_error("the sink's"); };
  const auto valid = engine.validate().value();
  {
    Tracker tracker = Tracker::start(valid, {.destination = std::make_shared<ThrowingVendor>(),
                                             .flags = {{kNotes.queue, Flag::on()},
                                                       {kMemos.queue, Flag::parse("50%").value()}},
                                             .reload = []() -> Result<Reloaded> { throw 17; }})
                          .value();
    EXPECT_EQ(tracker.track_durably(Note{"a"}, kPatience).status(), TrackStatus::kAccepted);
    EXPECT_EQ(tracker.track(ThrowingNote{{"b"}}).status(), TrackStatus::kRejected);
    EXPECT_EQ(tracker.track(ThrowingNote{{"c", "1", 1, &kMemos}}).status(), TrackStatus::kRejected);
    EXPECT_EQ(tracker.reload().error().code, ErrorCode::kInternal);
    EXPECT_FALSE(tracker.flush(milliseconds(100)));
    EXPECT_EQ(tracker.stop(kPatience).in_memory, 0U);
    EXPECT_GE(tracker.stats().sink_failures, 1U);
  }
  auto stored = open_outbox(engine.outbox, system_clock()).value();
  EXPECT_EQ(stored->stats().value().totals.appended, 1U);
  EXPECT_EQ(stored->stats().value().totals.delivered, 0U);
}

}  // namespace
}  // namespace postbox::tests
