// For tests: waiting for what other threads bring about.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "net/loop.h"
#include "net/wait.h"

namespace forebay::net::testing {

/// Returns once `holds()`, which any thread may bring about; a test that hangs fails after a minute. It looks again and
/// again because what is waited for is mostly a count of the code under test, which tells nobody when it changes.
template <class F>
void eventually(F&& holds) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!holds()) {
    ASSERT_LT(std::chrono::steady_clock::now(), until) << "did not happen in time";
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

template <class T>
task<void> keep_outcome(task<T> work, std::optional<T>* into) {
  into->emplace(co_await std::move(work));
}
/// The outcome of a task, run on a loop.
template <class T>
T outcome_of(loop& where, task<T> work) {
  std::optional<T> outcome;
  run_blocking(where, keep_outcome(std::move(work), &outcome));
  return std::move(*outcome);
}

/// Goes so many times to the end of every loop's queue. What could go on by itself has gone on after it: for tests that
/// nothing more happens.
inline void take_turns(loop_group& loops, unsigned turns) {
  for (unsigned turn = 0; turn < turns; ++turn)
    for (unsigned i = 0; i < loops.size(); ++i) run_blocking(loops.at(i), yield());
}

} // namespace forebay::net::testing
