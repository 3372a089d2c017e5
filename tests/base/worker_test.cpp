#include "base/worker.hpp"

#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <future>
#include <memory>
#include <vector>

namespace postbox {
namespace {

using Next = std::optional<SteadyTime>;

constexpr SteadyTime kNever = SteadyTime::max();
constexpr SteadyTime kAtOnce{};

TEST(Worker, RunsTheJobUntilItIsDone) {
  int steps = 0;
  Worker worker;
  worker.start({[&](bool) { return ++steps < 3 ? Next(kAtOnce) : std::nullopt; }});
  EXPECT_TRUE(worker.join_until(kNever));
  EXPECT_EQ(steps, 3);
}

TEST(Worker, TellsTheJobToStopAndLetsItFinish) {
  std::vector<bool> told;
  Worker worker;
  worker.start({[&](bool is_stopping) {
    told.push_back(is_stopping);
    worker.request_stop();
    return told.size() < 3 ? Next(kAtOnce) : std::nullopt;
  }});
  EXPECT_TRUE(worker.join_until(kNever));
  EXPECT_EQ(told, (std::vector{false, true, true}));
}

// A step is begun again at once, though the wait has not begun when the wake comes.
TEST(Worker, NoWakeIsLost) {
  int steps = 0;
  Worker worker;
  worker.start({[&](bool) {
    worker.wake();
    return ++steps < 3 ? Next(kNever) : std::nullopt;
  }});
  EXPECT_TRUE(worker.join_until(kNever));
  EXPECT_EQ(steps, 3);
}

TEST(Worker, AWakeBeforeTheStartCounts) {
  int steps = 0;
  Worker worker;
  worker.wake();
  worker.start({[&](bool) { return ++steps < 2 ? Next(kNever) : std::nullopt; }});
  EXPECT_TRUE(worker.join_until(kNever));
}

TEST(Worker, AJobWithAWaitOfItsOwnGetsTheTimeThatItHasReturned) {
  std::vector<SteadyTime> waits;
  Worker worker;
  worker.start({[&](bool) { return waits.size() < 2 ? Next(kNever) : std::nullopt; },
                [&](SteadyTime until) { waits.push_back(until); }});
  EXPECT_TRUE(worker.join_until(kNever));
  EXPECT_EQ(waits, (std::vector{kNever, kNever}));
}

// Else what wakes that wait would have been used up by the step, and the wait would last.
TEST(Worker, AStopThatComesDuringAStepIsSeenBeforeTheNextWait) {
  int waits = 0;
  Worker worker;
  worker.start({[&](bool is_stopping) {
                  worker.request_stop();
                  return is_stopping ? std::nullopt : Next(kNever);
                },
                [&](SteadyTime) { ++waits; }});
  EXPECT_TRUE(worker.join_until(kNever));
  EXPECT_EQ(waits, 0);
}

TEST(Worker, TheHostsSignalsStayAwayAndThoseOfFaultsDoNot) {
  sigset_t mask{};
  Worker worker;
  worker.start({[&](bool) {
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    return Next();
  }});
  EXPECT_TRUE(worker.join_until(kNever));
  EXPECT_EQ(sigismember(&mask, SIGTERM), 1);
  EXPECT_EQ(sigismember(&mask, SIGSEGV), 0);
}

TEST(Worker, HasOneJob) {
  std::atomic<int> first = 0;
  std::atomic<int> second = 0;
  Worker worker;
  worker.start({[&](bool) { return ++first, Next(); }});
  worker.start({[&](bool) { return ++second, Next(); }});
  EXPECT_TRUE(worker.join_until(kNever));
  EXPECT_TRUE(worker.join_until(kNever)) << "also when it has ended";
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 0);
}

TEST(Worker, ItsEndIsTheEndOfTheJob) {
  bool has_ended = false;
  {
    Worker worker;
    worker.start({[&](bool is_stopping) {
      has_ended = is_stopping;
      return is_stopping ? std::nullopt : Next(kNever);
    }});
  }
  EXPECT_TRUE(has_ended);
  const Worker never_started;
}

TEST(Worker, OneThatHangsIsLeftAloneWithWhatItOwnsUntilItsCallReturns) {
  std::promise<void> released;
  std::promise<void> given_up;
  {
    const std::shared_ptr<int> owned(new int, [&](const int* value) {
      delete value;
      given_up.set_value();
    });
    Worker worker;
    worker.start({[owned, call = released.get_future().share()](bool) {
      call.wait();
      return Next();
    }});
    worker.request_stop();
    EXPECT_FALSE(worker.join_until(std::chrono::steady_clock::now()));
  }
  const auto end = given_up.get_future();
  EXPECT_EQ(end.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  released.set_value();
  end.wait();
}

}  // namespace
}  // namespace postbox
