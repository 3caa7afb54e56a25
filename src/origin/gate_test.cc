#include "origin/gate.h"

#include <gtest/gtest.h>

#include "net/loop.h"

namespace forebay::origin {
namespace {

using namespace std::chrono_literals;

/// A byte and another one, for ever: each comes before the limit of a stall, one of them after `until`.
class dripping_body final : public http::client_body {
public:
  explicit dripping_body(net::deadline until) : until_(until) {}
  net::task<result<std::size_t>> read_some(std::span<std::byte> into) override {
    if (++reads == late_read) {
      const net::event never;
      co_await never.wait(until_);
    }
    into.front() = std::byte{'x'};
    co_return std::size_t{1};
  }
  bool at_end() const noexcept override { return false; }

  static constexpr unsigned late_read = 10;
  unsigned reads = 0;

private:
  net::deadline until_;
};

net::task<void> read_words(http::client_body* from, net::deadline until, std::string* words) {
  *words = co_await read_some_text(from, 1u << 20, until);
}

TEST(read_some_text, words_that_drip_do_not_hold_up_the_failure) {
  net::loop_group loops(1);
  loops.start();
  const auto until = net::deadline::after(50ms);
  dripping_body body(until);
  std::string words;
  net::run_blocking(loops.at(0), read_words(&body, until, &words));
  EXPECT_FALSE(words.empty());
  EXPECT_LE(body.reads, dripping_body::late_read);
  loops.stop();
}

} // namespace
} // namespace forebay::origin
