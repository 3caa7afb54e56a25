// One origin, many readers: after one throttled answer nobody asks until the pause is over.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "net/testing/waiting.h"
#include "origin/answer.h"
#include "origin/gate.h"
#include "origin/testing/source_fixture.h"

namespace forebay::origin {
namespace {

using namespace std::chrono_literals;
using net::testing::eventually;
using ::testing::HasSubstr;
using testing::in_turn;
using testing::raw_answer;
using testing::raw_connection;
using testing::raw_origin;
using testing::seen_heads;

TEST(shared_backoff, lasts_as_long_as_the_origin_said) {
  fake_clock time;
  shared_backoff pause({}, time);
  EXPECT_EQ(pause.left(), 0ms);
  EXPECT_TRUE(pause.throttled(2s));
  time.advance(1500ms);
  EXPECT_EQ(pause.left(), 500ms);
  EXPECT_FALSE(pause.throttled(3s)) << "no new pause, but a later end";
  EXPECT_EQ(pause.left(), 3000ms);
  time.advance(3s);
  EXPECT_EQ(pause.left(), 0ms);
}

TEST(shared_backoff, grows_without_a_word_and_begins_small_after_an_answer) {
  origin_limits limits;
  limits.retry_base = 100ms;
  limits.retry_cap = 300ms;
  fake_clock time;
  shared_backoff pause(limits, time);
  for (const auto expected : {100ms, 200ms, 300ms, 300ms}) {
    EXPECT_TRUE(pause.throttled({}));
    EXPECT_FALSE(pause.throttled({})) << "under way when the pause began";
    pause.answered(); // as well
    EXPECT_EQ(pause.left(), expected);
    time.advance(expected);
  }
  pause.answered();
  EXPECT_TRUE(pause.throttled({}));
  EXPECT_EQ(pause.left(), 100ms);
}

TEST(shared_backoff, no_origin_stops_its_readers_for_a_day) {
  origin_limits limits;
  limits.throttle_pause = 30s;
  fake_clock time;
  shared_backoff pause(limits, time);
  pause.throttled(86'400s);
  EXPECT_EQ(pause.left(), 30s);
  EXPECT_FALSE(pause.throttled(0s)) << "nor does another word end a pause";
  EXPECT_EQ(pause.left(), 30s);
}

struct asked_once {
  std::optional<unsigned> status;
  std::optional<error> failed;
  std::atomic<bool> over{false};
};

net::task<void> ask(std::shared_ptr<gate> door, std::string url, std::chrono::milliseconds within, asked_once* out) {
  http::client_request wanted;
  wanted.method = "GET";
  wanted.url = std::move(url);
  auto done = co_await door->perform(std::move(wanted), net::deadline::after(within));
  if (done) {
    const auto& head = done->response.head;
    out->status = head.status;
    const error failure = classify_status(head.status, head.fields, {}, door->name(), done->received);
    door->settle(*done, head.status >= 400 ? &failure : nullptr);
  } else {
    out->failed = std::move(done.error());
  }
  out->over = true;
}

net::task<void> read_and_tell(std::shared_ptr<source> from, std::shared_ptr<read_request> asked, testing::outcome* out,
                              std::atomic<int>* over) {
  co_await testing::read_task(from, asked, out);
  ++*over;
}

class throttled_gate : public testing::source_test {
protected:
  std::shared_ptr<gate> make_gate(const std::string& name, const origin_limits& limits) {
    return std::make_shared<gate>(name, limits, time);
  }
  std::unique_ptr<asked_once> ask_now(const std::shared_ptr<gate>& door, const raw_origin& from,
                                      std::chrono::milliseconds within) {
    auto out = std::make_unique<asked_once>();
    net::run_blocking(loop(), ask(door, from.url("/x"), within, out.get()));
    return out;
  }
  fake_clock time;
  seen_heads heads;
};

TEST_F(throttled_gate, after_one_429_no_reader_asks_before_the_pause_is_over) {
  raw_origin store(
      in_turn({raw_answer("429 Too Many Requests", "Retry-After: 1\r\n", ""), raw_answer("200 OK", "", "x")}, &heads));
  const auto door = make_gate("throttled for a second", {});
  EXPECT_EQ(ask_now(door, store, 20s)->status, 429u);
  for (int reader = 0; reader < 5; ++reader) {
    const auto seen = ask_now(door, store, 900ms);
    ASSERT_TRUE(seen->failed);
    EXPECT_EQ(seen->failed->kind, error_kind::throttled);
    EXPECT_EQ(seen->failed->retry_after, 1s);
  }
  time.advance(999ms);
  EXPECT_TRUE(ask_now(door, store, 0ms)->failed);
  EXPECT_EQ(heads.size(), 1u);
  time.advance(1ms);
  EXPECT_EQ(ask_now(door, store, 20s)->status, 200u);
  EXPECT_EQ(heads.size(), 2u);
  const std::string told = metrics::global().render();
  EXPECT_THAT(told, HasSubstr("forebay_origin_throttle_pauses_total{origin=\"throttled for a second\"} 1\n"));
  EXPECT_THAT(told, HasSubstr("forebay_origin_throttle_waits_total{origin=\"throttled for a second\"} 6\n"));
}

TEST_F(throttled_gate, who_has_time_waits_for_the_end_of_the_pause) {
  raw_origin store(in_turn({raw_answer("429 Too Many Requests", "", ""), raw_answer("200 OK", "", "x")}, &heads));
  origin_limits limits;
  limits.retry_base = 1ms;
  const auto door = make_gate("throttled for a moment", limits);
  EXPECT_EQ(ask_now(door, store, 20s)->status, 429u);
  std::vector<std::unique_ptr<asked_once>> readers;
  for (int i = 0; i < 3; ++i) {
    readers.push_back(std::make_unique<asked_once>());
    loop().spawn(ask(door, store.url("/x"), 60s, readers.back().get()));
  }
  eventually([] {
    return metrics::global().render().find(
               "forebay_origin_throttle_waits_total{origin=\"throttled for a moment\"} 3\n") != std::string::npos;
  });
  EXPECT_EQ(heads.size(), 1u);
  time.advance(1ms);
  for (const auto& each : readers) {
    eventually([&] { return each->over.load(); });
    EXPECT_EQ(each->status, 200u);
  }
  EXPECT_EQ(heads.size(), 4u);
}

/// The first answer, a SlowDown that only its document tells, waits until another reader waits for its permit.
TEST_F(throttled_gate, who_waited_for_a_permit_learns_of_the_pause) {
  std::shared_ptr<gate> door;
  std::atomic<unsigned> requests{0};
  raw_origin store([&](raw_connection& peer) {
    while (!peer.read_head().empty()) {
      ++requests;
      eventually([&] { return door->permits().waiting() == 1; });
      peer.write(raw_answer("503 Service Unavailable", "", "<Error><Code>SlowDown</Code></Error>"));
    }
  });
  source_settings settings = testing::quick_settings();
  settings.limits.connections = 1;
  settings.limits.retry_base = settings.limits.retry_cap = 1h;
  const auto from =
      open("s3://bucket?anonymous=true&region=us-east-1&endpoint=" + percent_encode(store.url("")), settings);
  door = gate::find(from->name(), from->identify("", "").scope, settings.limits);
  testing::outcome first, second;
  std::atomic<int> over{0};
  for (testing::outcome* each : {&first, &second}) {
    const auto asked = std::make_shared<read_request>();
    asked->key = "k";
    loop().spawn(read_and_tell(from, asked, each, &over));
  }
  eventually([&] { return over == 2; });
  for (const testing::outcome* each : {&first, &second}) {
    ASSERT_TRUE(each->failed);
    EXPECT_EQ(each->failed->kind, error_kind::throttled);
  }
  EXPECT_EQ(requests, 1u);
}

} // namespace
} // namespace forebay::origin
