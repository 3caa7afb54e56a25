// Work on a loop, from a thread that is none.
#pragma once

#include <future>
#include <type_traits>

#include "net/loop.h"

namespace forebay::app {

/// Runs `work` on a loop and waits for its result: for start-up and shut-down, on a thread that is no loop.
template <class F>
auto run_on(net::loop& where, F work) -> std::invoke_result_t<F> {
  std::promise<std::invoke_result_t<F>> done;
  auto answer = done.get_future();
  where.post([&done, &work] {
    if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
      work();
      done.set_value();
    } else {
      done.set_value(work());
    }
  });
  return answer.get();
}

} // namespace forebay::app
