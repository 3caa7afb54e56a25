#include "origin/gate.h"

#include <gtest/gtest.h>

#include "net/loop.h"

namespace forebay::origin {
namespace {

using namespace std::chrono_literals;

/// A byte now and then, for ever: each comes before the limit of a stall.
class dripping_body final : public http::client_body {
public:
  net::task<result<std::size_t>> read_some(std::span<std::byte> into) override {
    co_await net::sleep_for(1ms);
    into.front() = std::byte{'x'};
    co_return std::size_t{1};
  }
  bool at_end() const noexcept override { return false; }
};

net::task<void> read_words(http::client_body* from, net::deadline until, std::string* words) {
  *words = co_await read_some_text(from, 1u << 20, until);
}

TEST(read_some_text, words_that_drip_do_not_hold_up_the_failure) {
  net::loop_group loops(1);
  loops.start();
  dripping_body body;
  std::string words;
  net::run_blocking(loops.at(0), read_words(&body, net::deadline::after(50ms), &words));
  EXPECT_FALSE(words.empty());
  EXPECT_LT(words.size(), 1'000u);
  loops.stop();
}

} // namespace
} // namespace forebay::origin
