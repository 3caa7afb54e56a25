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

/// A first byte, and then none for as long as anybody may wait.
class stuck_body final : public http::client_body {
public:
  net::task<result<std::size_t>> read_some(std::span<std::byte> into) override { return read(&begun_, into); }
  bool at_end() const noexcept override { return false; }

private:
  static net::task<result<std::size_t>> read(bool* begun, std::span<std::byte> into) {
    if (*begun) {
      const net::event never;
      co_await never.wait(net::deadline::after(std::chrono::hours(1)));
    }
    *begun = true;
    into.front() = std::byte{'x'};
    co_return std::size_t{1};
  }
  bool begun_ = false;
};

net::task<void> read_text_whole(http::client_body* from, net::deadline until, result<std::string>* text) {
  *text = co_await read_whole(from, 1u << 20, "a store", until);
}

TEST(read_whole, a_body_that_does_not_end_holds_nobody_beyond_his_deadline) {
  net::loop_group loops(1);
  loops.start();
  auto body = std::make_unique<stuck_body>();
  result<std::string> text;
  net::run_blocking(loops.at(0), read_text_whole(body.get(), net::deadline::after(50ms), &text));
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().kind, error_kind::timeout);
  EXPECT_TRUE(text.error().retryable);
  loops.stop();
}

TEST(read_some_text, what_came_before_the_body_got_stuck_is_kept) {
  net::loop_group loops(1);
  loops.start();
  auto body = std::make_unique<stuck_body>();
  std::string words;
  net::run_blocking(loops.at(0), read_words(body.get(), net::deadline::after(50ms), &words));
  EXPECT_EQ(words, "x");
  loops.stop();
}

} // namespace
} // namespace forebay::origin
