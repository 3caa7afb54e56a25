// Hits that come again byte for byte: what is remembered, and when it is not given any more.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "front/guarded_front.h"
#include "front/hit_memory.h"
#include "front/mixed_front.h"
#include "front/testing/front_scene.h"
#include "http/testing/scripted_stream.h"
#include "space/access_rules.h"

namespace forebay::front {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class recalled_scene : public testing::front_scene {
protected:
  void SetUp() override {
    front_scene::SetUp();
    front.reset();
    cache = std::make_unique<cache::content_cache>(cache::cache_limits{}, *memory, nullptr, time);
    make_space([](space::name_space& made) { made.freshness.ttl = std::chrono::seconds(60); });
  }

  static std::string head_of(const std::string& target, const std::string& fields = {}) {
    return "GET " + target + " HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n";
  }
  /// Asks as a connection does: with the raw head.
  testing::seen_answer ask_raw(const std::string& target, field_list fields = {}) {
    std::string lines;
    for (const auto& [name, value] : fields) lines += fmt::format("{}: {}\r\n", name, value);
    return ask(*front, "GET", target, fields, {}, head_of(target, lines));
  }
  /// A miss, a hit, and the hit that is remembered.
  void warm(const std::string& target, field_list fields = {}) {
    for (int i = 0; i < 3; ++i) ask_raw(target, fields);
  }

  struct given {
    bool known = false;
    std::string head, body;
  };
  given recall(http::handler& by, const std::string& raw, std::size_t loop = 0) {
    given made;
    net::run_blocking(loops->at(static_cast<unsigned>(loop)), recall_on(&by, raw, &made));
    return made;
  }
  given recall(const std::string& raw) { return recall(*front, raw); }

  fake_clock time;

private:
  static net::task<void> recall_on(http::handler* by, std::string raw, given* made) {
    http::testing::scripted_stream stream(std::make_shared<http::testing::wire>());
    http::recalled answer;
    made->known = by->recall(raw, stream, answer);
    if (!made->known) {
      answer.clear();
      co_return;
    }
    made->head = answer.head;
    for (std::size_t i = 0; i < answer.pieces; ++i)
      made->body.append(reinterpret_cast<const char*>(answer.body[i].bytes.data()), answer.body[i].length_bytes());
    EXPECT_EQ(made->body.size(), answer.body_bytes);
    by->recall_waits(answer, stream);
    answer.told_waiting = true;
    by->recall_ended(answer, stream, answer.body_bytes, true, std::chrono::nanoseconds(1));
    answer.clear();
  }
};

TEST_F(recalled_scene, the_third_hit_is_the_same_without_asking_anybody) {
  warm("/data/x");
  const given made = recall(head_of("/data/x"));
  ASSERT_TRUE(made.known);
  EXPECT_EQ(made.body, bytes(0, 1000));
  EXPECT_THAT(made.head, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(made.head, HasSubstr("\r\nContent-Length: 1000\r\n"));
  EXPECT_THAT(made.head, HasSubstr("\r\nCache-Status: forebay; hit; ttl=60\r\n"));
  EXPECT_THAT(made.head, HasSubstr("\r\nAge: 0\r\n"));
  EXPECT_THAT(made.head, HasSubstr("\r\nAccept-Ranges: bytes\r\n"));
  EXPECT_THAT(made.head, HasSubstr("\r\nVia: 1.1 forebay\r\n"));
  EXPECT_EQ(made.head.substr(made.head.size() - 4), "\r\n\r\n");
  const given again = recall(head_of("/data/x"));
  const auto id_of = [](const std::string& head) { return head.substr(head.find("X-Request-Id: ") + 14, 16); };
  EXPECT_NE(id_of(made.head), id_of(again.head));
  EXPECT_EQ(made.head.size(), again.head.size());
}

TEST_F(recalled_scene, has_the_fields_of_the_answer_that_was_parsed) {
  warm("/data/x");
  const auto parsed = ask_raw("/data/x");
  const given made = recall(head_of("/data/x"));
  parsed.fields.each([&](std::string_view name, std::string_view value) {
    if (name == "X-Request-Id") return;
    EXPECT_THAT(made.head, HasSubstr(fmt::format("\r\n{}: {}\r\n", name, value)));
  });
}

TEST_F(recalled_scene, what_came_once_is_not_remembered) {
  ask_raw("/data/x");
  ask_raw("/data/x"); // the first hit
  EXPECT_FALSE(recall(head_of("/data/x")).known);
}

TEST_F(recalled_scene, age_and_freshness_go_on_and_end) {
  warm("/data/x");
  time.advance(std::chrono::milliseconds(2'999));
  EXPECT_THAT(recall(head_of("/data/x")).head, AllOf(HasSubstr("\r\nAge: 2\r\n"), HasSubstr("; ttl=58\r\n")));
  time.advance(std::chrono::milliseconds(57'000));
  EXPECT_THAT(recall(head_of("/data/x")).head, AllOf(HasSubstr("\r\nAge: 59\r\n"), HasSubstr("; ttl=1\r\n")));
  time.advance(std::chrono::milliseconds(1));
  EXPECT_FALSE(recall(head_of("/data/x")).known) << "a minute has passed";
}

TEST_F(recalled_scene, not_after_a_purge) {
  warm("/data/x");
  auto where = settings->spaces->resolve("/data/x", "");
  ASSERT_TRUE(where);
  static const auto purge = [](cache::content_cache* from, space::placement at) -> net::task<void> {
    const auto done = co_await from->purge_object(std::move(at));
    EXPECT_TRUE(done);
  };
  net::run_blocking(loops->at(0), purge(cache.get(), std::move(*where)));
  EXPECT_FALSE(recall(head_of("/data/x")).known);
  EXPECT_THAT(ask_raw("/data/x").field("cache-status"), HasSubstr("fwd="));
}

TEST_F(recalled_scene, not_after_a_reload) {
  warm("/data/x");
  make_space([](space::name_space& made) { made.freshness.ttl = std::chrono::seconds(60); });
  EXPECT_FALSE(recall(head_of("/data/x")).known);
  for (int i = 0; i < 2; ++i) ask_raw("/data/x"); // held still: hits
  EXPECT_TRUE(recall(head_of("/data/x")).known);
}

TEST_F(recalled_scene, not_the_old_version_after_a_new_one_came) {
  warm("/data/x");
  origin->reads.set([](auto& state) { state.version = 2; });
  time.advance(std::chrono::seconds(61));
  ask_raw("/data/x");
  EXPECT_FALSE(recall(head_of("/data/x")).known);
  for (int i = 0; i < 2; ++i) ask_raw("/data/x");
  EXPECT_EQ(recall(head_of("/data/x")).body, bytes(0, 1000, 2));
}

TEST_F(recalled_scene, not_what_memory_let_go) {
  warm("/data/x");
  memory->resize(storage::memory_tier::capacity_bytes_min);
  origin->reads.set([](auto& state) { state.length_bytes = 100'000; });
  bool known = true;
  for (int i = 0; i < 200 && known; ++i) {
    ask("GET", fmt::format("/data/other-{}", i % 20));
    const given made = recall(head_of("/data/x"));
    known = made.known;
    if (known) {
      EXPECT_EQ(made.body, bytes(0, 1000));
    }
    ask("GET", fmt::format("/data/other-{}", i % 20));
  }
  EXPECT_FALSE(known);
}

TEST_F(recalled_scene, requests_that_ask_for_more_are_not_remembered) {
  const std::vector<std::pair<const char*, const char*>> each{
      {"Range", "bytes=0-9,20-29"},  {"If-None-Match", "\"x\""}, {"Cache-Control", "max-age=9"}, {"Pragma", "x"},
      {"Authorization", "Bearer x"}, {"Connection", "close"},    {"If-Range", "\"v1\""},         {"CDN-Loop", "a"}};
  for (const auto& [name, value] : each) {
    warm("/data/x", {{name, value}});
    EXPECT_FALSE(recall(head_of("/data/x", fmt::format("{}: {}\r\n", name, value))).known) << name;
  }
}

TEST_F(recalled_scene, other_ranges_of_the_same_object_are_the_same_request) {
  const auto range = [](const char* value) { return head_of("/data/x", fmt::format("Range: bytes={}\r\n", value)); };
  ask("GET", "/data/x"); // all of it is held
  for (const char* each : {"0-9", "10-19"}) ask_raw("/data/x", {{"Range", fmt::format("bytes={}", each).c_str()}});
  const given made = recall(range("100-299"));
  ASSERT_TRUE(made.known);
  EXPECT_EQ(made.body, bytes(100, 300));
  EXPECT_THAT(made.head, StartsWith("HTTP/1.1 206 Partial Content\r\n"));
  EXPECT_THAT(made.head, HasSubstr("\r\nContent-Range: bytes 100-299/1000\r\nContent-Length: 200\r\n\r\n"));
  const auto parsed = ask_raw("/data/x", {{"Range", "bytes=100-299"}});
  parsed.fields.each([&](std::string_view name, std::string_view value) {
    if (name == "X-Request-Id") return;
    EXPECT_THAT(made.head, HasSubstr(fmt::format("\r\n{}: {}\r\n", name, value)));
  });
  EXPECT_EQ(recall(range("990-5000")).body, bytes(990, 1000));
  EXPECT_EQ(recall(range("999-999")).body, bytes(999, 1000));
  for (const char* none : {"1000-1001", "9-8", "-5", "5-", "0-1,3-4", "a-b", "", "1-2 ", "0x1-2", "+1-2", "1--2",
                           "18446744073709551616-18446744073709551617", "1-18446744073709551615"})
    EXPECT_FALSE(recall(range(none)).known) << none;
  EXPECT_FALSE(recall(head_of("/data/x", "If-Range: bytes=0-9\r\n")).known);
  EXPECT_FALSE(recall(head_of("/data/x", "X: Range: bytes=0-9\r\n")).known);
  EXPECT_FALSE(recall(head_of("/data/x", "Range: bytes=0-9\r\nRange: bytes=0-9\r\n")).known);
}

TEST_F(recalled_scene, an_id_of_the_client_stays_his) {
  warm("/data/x", {{"X-Request-Id", "request-1"}}); // what the scene calls each request
  const given made = recall(head_of("/data/x", "X-Request-Id: request-1\r\n"));
  EXPECT_THAT(made.head, HasSubstr("\r\nX-Request-Id: request-1\r\n"));
}

TEST_F(recalled_scene, private_namespaces_are_asked_each_time) {
  make_space([](space::name_space& made) {
    made.is_public = false;
    auto rules = std::make_shared<space::access_rules>();
    rules->networks = {*net::ip_network::parse("192.0.2.0/24")};
    made.rules = rules;
    made.freshness.ttl = std::chrono::seconds(60);
  });
  warm("/data/x");
  EXPECT_EQ(ask_raw("/data/x").status, 200u);
  EXPECT_FALSE(recall(head_of("/data/x")).known);
}

TEST_F(recalled_scene, none_is_kept_where_the_setting_says_none) {
  auto fresh = std::make_shared<web_settings>(*settings);
  fresh->remembered_hits = 0;
  front->update(fresh);
  warm("/data/x");
  EXPECT_FALSE(recall(head_of("/data/x")).known);
}

TEST_F(recalled_scene, a_listener_with_other_roles_decides_first) {
  warm("/data/x");
  mixed_front alone(front.get(), nullptr, nullptr);
  EXPECT_TRUE(recall(alone, head_of("/data/x")).known);
  EXPECT_FALSE(recall(alone, head_of("/data/y")).known);
}

TEST_F(recalled_scene, the_guard_is_asked_and_counts) {
  warm("/data/x");
  auto shared = std::make_shared<mixed_front>(front.get(), nullptr, nullptr);
  guard_settings limits;
  limits.requests_per_client = 1; // two at once
  guarded_front guarded(shared, std::make_shared<guard>(std::make_shared<guard_settings>(limits), time));
  EXPECT_TRUE(recall(guarded, head_of("/data/x")).known);
  EXPECT_FALSE(recall(guarded, head_of("/data/unknown")).known) << "and that took nothing";
  EXPECT_TRUE(recall(guarded, head_of("/data/x")).known);
  EXPECT_FALSE(recall(guarded, head_of("/data/x")).known);
  guard_settings proxied;
  proxied.trusted_proxies = {*net::ip_network::parse("192.0.2.1/32")};
  guarded_front behind(shared, std::make_shared<guard>(std::make_shared<guard_settings>(proxied), time));
  EXPECT_FALSE(recall(behind, head_of("/data/x")).known) << "the client is told by a field";
}

TEST_F(recalled_scene, what_is_remembered_is_refused_in_the_words_of_the_parser) {
  static const error why{error_kind::exhausted,  "node", "limits.queue_delay: too much", true, 0,
                         std::chrono::seconds(1)};
  struct run {
    static net::task<void> it(http::handler* by, std::string raw, std::string* head) {
      http::testing::scripted_stream stream(std::make_shared<http::testing::wire>());
      http::recalled answer;
      if (by->recall_refusal(raw, why, 503, answer)) {
        *head = answer.head;
        EXPECT_EQ(answer.body_bytes, 0u);
        by->recall_ended(answer, stream, 0, true, std::chrono::nanoseconds(1));
      }
      answer.clear();
      EXPECT_EQ(answer.refused_status, 0u);
      co_return;
    }
  };
  warm("/data/x");
  std::string told, unknown;
  net::run_blocking(loops->at(0), run::it(front.get(), head_of("/data/x"), &told));
  net::run_blocking(loops->at(0), run::it(front.get(), head_of("/data/never"), &unknown));
  EXPECT_EQ(unknown, "") << "the parser's";
  EXPECT_THAT(told, StartsWith("HTTP/1.1 503 Service Unavailable\r\n"));
  EXPECT_THAT(told, HasSubstr("\r\nRetry-After: 1\r\n"));
  EXPECT_THAT(told, HasSubstr("\r\nCache-Control: no-store\r\n"));
  EXPECT_THAT(told, HasSubstr("\r\nX-Request-Id: "));
  EXPECT_THAT(told, Not(HasSubstr("X-Request-Id: 0000000000000000")));
  const std::string words = problem_document(why, 503, {});
  EXPECT_THAT(told, HasSubstr(fmt::format("\r\nContent-Length: {}\r\n", words.size())));
  EXPECT_THAT(told, ::testing::EndsWith("\r\n\r\n" + words));
  EXPECT_TRUE(recall(head_of("/data/x")).known) << "once it is over, it is answered again";
}

TEST(hit_memory, the_one_that_was_used_longest_ago_makes_room) {
  hit_memory memory(hit_memory::ways); // one set
  const auto put = [&](const std::string& raw) {
    auto made = std::make_shared<remembered_hit>();
    made->key = raw;
    made->generation = 1;
    memory.put(made);
  };
  EXPECT_EQ(memory.find("a", 1), nullptr);
  for (const char* raw : {"a", "b", "c", "d"}) put(raw);
  EXPECT_EQ(memory.size(), 4u);
  for (int i = 0; i < 4; ++i) EXPECT_NE(memory.find("d", 1), nullptr); // to the front
  put("e");
  EXPECT_EQ(memory.size(), 4u);
  EXPECT_NE(memory.find("d", 1), nullptr);
  EXPECT_NE(memory.find("e", 1), nullptr);
  put("e");
  EXPECT_EQ(memory.size(), 4u);
  memory.forget("e");
  EXPECT_EQ(memory.size(), 3u);
  EXPECT_EQ(memory.find("d", 2), nullptr);
  EXPECT_EQ(memory.size(), 0u) << "of other settings";
}

} // namespace
} // namespace forebay::front
