#include "net/loop.h"

#include <array>
#include <fcntl.h>
#include <future>
#include <gtest/gtest.h>
#include <string>
#include <unistd.h>

#include "net/offload.h"
#include "net/testing/waiting.h"
#include "net/wait.h"

namespace forebay::net {
namespace {

using namespace std::chrono_literals;
using testing::eventually;

class loops_scene : public ::testing::Test {
protected:
  void SetUp() override { group.start(); }
  loop_group group{2};
};

/// The event exists only on the loop, so the test gets it from there.
struct waiting {
  std::shared_ptr<event> flag;
  std::atomic<int> stage{0}, answer{0};
};

task<void> wait_in(std::shared_ptr<waiting> in, std::chrono::milliseconds span) {
  in->flag = std::make_shared<event>();
  in->stage = 1;
  const bool notified = co_await in->flag->wait(deadline::after(span));
  in->answer = notified ? 1 : 2;
}

TEST_F(loops_scene, an_event_wakes_its_waiter_from_any_thread) {
  auto in = std::make_shared<waiting>();
  group.at(0).spawn(wait_in(in, 10s));
  eventually([&] { return in->stage == 1; });
  in->flag->notify();
  eventually([&] { return in->answer != 0; });
  EXPECT_EQ(in->answer, 1);
}

TEST_F(loops_scene, a_deadline_ends_a_wait) {
  auto in = std::make_shared<waiting>();
  const auto began = std::chrono::steady_clock::now();
  run_blocking(group.at(0), wait_in(in, 50ms));
  EXPECT_EQ(in->answer, 2);
  EXPECT_GE(std::chrono::steady_clock::now() - began, 50ms);
}

task<void> latch(int* order) {
  const event flag;
  flag.notify();
  flag.notify();
  const bool first = co_await flag.wait(deadline::after(10s));
  const bool second = co_await flag.wait(deadline::after(40ms));
  *order = (first ? 1 : 0) + (second ? 2 : 0);
}

TEST_F(loops_scene, a_notify_before_the_wait_is_kept_once) {
  int order = 0;
  run_blocking(group.at(0), latch(&order));
  EXPECT_EQ(order, 1);
}

TEST_F(loops_scene, many_notifies_from_many_threads_lose_none) {
  // Ping-pong between the loops: a lost wake-up would stop it.
  struct pong {
    static task<void> run(std::shared_ptr<event> mine, std::shared_ptr<std::shared_ptr<event>> other, int rounds,
                          std::atomic<int>* done) {
      for (int i = 0; i < rounds; ++i) {
        const bool woken = co_await mine->wait(deadline::after(20s));
        if (!woken) co_return;
        (*other)->notify();
      }
      ++*done;
    }
    static task<void> make(std::shared_ptr<event>* into) {
      *into = std::make_shared<event>();
      co_return;
    }
  };
  auto a = std::make_shared<std::shared_ptr<event>>(), b = std::make_shared<std::shared_ptr<event>>();
  run_blocking(group.at(0), pong::make(a.get()));
  run_blocking(group.at(1), pong::make(b.get()));
  std::atomic<int> done{0};
  group.at(0).spawn(pong::run(*a, b, 20'000, &done));
  group.at(1).spawn(pong::run(*b, a, 20'000, &done));
  (*a)->notify();
  eventually([&] { return done >= 1; });
}

TEST_F(loops_scene, offloaded_work_comes_back_to_its_loop) {
  worker_pool pool(2, 10);
  struct run {
    static task<void> it(worker_pool* pool, bool* same, int* value) {
      loop* const before = &loop::current();
      std::function<result<int>()> work = [] { return result<int>(42); };
      auto answer = co_await offload<int>(*pool, deadline::after(20s), std::move(work));
      *same = &loop::current() == before;
      *value = *answer;
    }
  };
  bool same = false;
  int value = 0;
  run_blocking(group.at(1), run::it(&pool, &same, &value));
  EXPECT_TRUE(same);
  EXPECT_EQ(value, 42);
}

TEST_F(loops_scene, a_full_pool_refuses_and_does_not_wait) {
  worker_pool pool(1, 1);
  std::promise<void> go;
  auto gate = go.get_future().share();
  std::promise<void> started;
  ASSERT_TRUE(pool.submit([&, gate] {
    started.set_value();
    gate.wait();
  }));
  started.get_future().wait();
  EXPECT_TRUE(pool.submit([] {}));
  EXPECT_FALSE(pool.submit([] {}));
  go.set_value();
}

TEST_F(loops_scene, what_a_loop_posts_to_itself_runs_and_the_loop_goes_on) {
  // More than run at once, so that some are left for the next turns.
  struct run {
    static task<void> it(std::atomic<int>* ran) {
      for (int i = 0; i < 10'000; ++i) loop::current().post([ran] { ++*ran; });
      co_return;
    }
  };
  std::atomic<int> ran{0};
  for (int round = 1; round <= 3; ++round) {
    run_blocking(group.at(0), run::it(&ran));
    eventually([&] { return ran == round * 10'000; });
  }
}

TEST_F(loops_scene, timers_fire_in_their_order_and_not_once_cancelled) {
  struct run {
    static task<void> it(std::string* order) {
      const event over;
      timer late, early, cancelled, again;
      late.start(20ms, [&] {
        *order += "late ";
        over.notify();
      });
      early.start(1ms, [&] { *order += "early "; });
      cancelled.start(2ms, [&] { *order += "cancelled "; });
      again.start(3ms, [&] { *order += "too soon "; });
      again.start(10ms, [&] { *order += "again "; });
      cancelled.cancel();
      const bool fired = co_await over.wait(deadline::after(20s));
      *order += fired ? "over" : "never";
    }
  };
  std::string order;
  run_blocking(group.at(0), run::it(&order));
  EXPECT_EQ(order, "early again late over");
}

TEST_F(loops_scene, a_watch_is_told_again_as_long_as_something_is_there) {
  struct run {
    static task<void> it(std::string* seen) {
      std::array<int, 2> ends{};
      if (::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC) != 0) co_return;
      const event over;
      fd_watch watch(ends[0], [&](bool readable, bool writable) {
        char byte = 0;
        if (!readable || writable || ::read(ends[0], &byte, 1) != 1) return;
        *seen += byte;
        if (byte == 'c') over.notify();
      });
      (void)!::write(ends[1], "abc", 3);
      watch.set_interest(true, false);
      co_await over.wait(deadline::after(20s));
      watch.set_interest(false, false);
      (void)!::write(ends[1], "d", 1);
      co_await sleep_for(20ms);
      for (const int each : ends) ::close(each);
    }
  };
  std::string seen;
  run_blocking(group.at(0), run::it(&seen));
  EXPECT_EQ(seen, "abc");
}

TEST_F(loops_scene, who_always_has_more_to_do_leaves_descriptors_their_turn) {
  struct run {
    static task<void> it(bool* told) {
      std::array<int, 2> ends{};
      if (::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC) != 0) co_return;
      fd_watch watch(ends[0], [told](bool, bool) { *told = true; });
      watch.set_interest(true, false);
      (void)!::write(ends[1], "a", 1);
      const auto until = deadline::after(20s);
      while (!*told && !until.passed()) co_await yield();
      watch.set_interest(false, false);
      for (const int each : ends) ::close(each);
    }
  };
  bool told = false;
  run_blocking(group.at(0), run::it(&told));
  EXPECT_TRUE(told);
}

TEST(loop_end, waiting_coroutines_are_destroyed_with_their_loop) {
  auto in = std::make_shared<waiting>();
  std::weak_ptr<waiting> gone = in;
  {
    loop_group group(1);
    group.start();
    group.at(0).spawn(wait_in(in, 1h));
    eventually([&] { return in->stage == 1; });
    in.reset();
    group.stop();
  }
  EXPECT_TRUE(gone.expired());
}

} // namespace
} // namespace forebay::net
