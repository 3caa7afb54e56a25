// Answers that a front recalls, over HTTP/2: without a coroutine, and out of memory that goes round.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>

#include "http/http2/connection.h"
#include "http/testing/recalling_front.h"
#include "http/testing/scripted_server.h"
#include "http/testing/written_client.h"

namespace forebay::http {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::recalling_front;
using testing::scripted_stream;
using testing::wire;
using testing::written_client;

struct RecalledByHttp2 : ::testing::Test {
  std::shared_ptr<wire> peer = std::make_shared<wire>();
  std::shared_ptr<recalling_front> front = std::make_shared<recalling_front>();
  std::shared_ptr<server_limits> limits = std::make_shared<server_limits>();
  written_client client;

  void SetUp() override { front->known = {{"/a", "aaaa"}, {"/b", "bb"}}; }
  /// Serves all that `from` has asked for behind `before`, in one read, and ends its side.
  void serve_all(written_client& from, const std::string& before = {}) {
    peer->says(before + from.written());
    net::loop_group loops(1);
    loops.start();
    auto stream = std::make_unique<scripted_stream>(peer);
    net::run_blocking(loops.at(0), serve_connection(std::move(stream), front, limits, nullptr));
    from.read(peer->sent);
  }
  void serve_all() { serve_all(client); }
};

TEST_F(RecalledByHttp2, NeedsNoHandler) {
  std::vector<std::int32_t> streams;
  for (int i = 0; i < 40; ++i) streams.push_back(client.ask(i % 2 == 0 ? "/a" : "/b"));
  serve_all();
  for (std::size_t i = 0; i < streams.size(); ++i) {
    const auto& got = client.answers[streams[i]];
    EXPECT_EQ(got.status, "200");
    EXPECT_EQ(got.body, i % 2 == 0 ? "aaaa" : "bb");
    EXPECT_EQ(got.fields, i % 2 == 0 ? "content-length=4;" : "content-length=2;");
    EXPECT_TRUE(got.ended);
  }
  EXPECT_THAT(front->handled, IsEmpty());
  EXPECT_EQ(front->ended.size(), 40u);
  EXPECT_EQ(front->ended.front(), "/a 4 whole");
  EXPECT_EQ(front->waits, 0u);
}

TEST_F(RecalledByHttp2, ComesInPieces) {
  front->piece_bytes = 2;
  front->known["/long"] = "12345678";
  const auto stream = client.ask("/long");
  serve_all();
  EXPECT_EQ(client.answers[stream].body, "12345678");
  EXPECT_TRUE(client.answers[stream].ended);
  EXPECT_THAT(front->ended, ElementsAre("/long 8 whole"));
}

TEST_F(RecalledByHttp2, IsARefusalWithItsWords) {
  front->refuses = true;
  const auto stream = client.ask("/a");
  serve_all();
  EXPECT_EQ(client.answers[stream].status, "503");
  EXPECT_EQ(client.answers[stream].body, "no");
  EXPECT_TRUE(client.answers[stream].ended);
}

TEST_F(RecalledByHttp2, RefusalsKeepTheirWordsUntilTheyHaveLeft) {
  front->refuses = true;
  std::vector<std::int32_t> streams;
  for (int i = 0; i < 100; ++i) streams.push_back(client.ask("/a")); // more than are kept to be used again
  serve_all();
  for (const auto stream : streams) EXPECT_EQ(client.answers[stream].body, "no");
}

TEST_F(RecalledByHttp2, KeepsAConnectionFromBeingIdle) {
  limits->idle_timeout = std::chrono::milliseconds(100);
  const auto first = client.ask("/a");
  peer->says(client.written(), [] { std::this_thread::sleep_for(std::chrono::milliseconds(150)); });
  const auto second = client.ask("/b");
  serve_all();
  EXPECT_TRUE(client.answers[first].ended);
  EXPECT_TRUE(client.answers[second].ended);
}

TEST_F(RecalledByHttp2, PinsLittleForAReaderWhoTakesNothing) {
  written_client shut(0);
  limits->send_stall = std::chrono::milliseconds(50);
  front->known["/big"] = std::string(64 * 1024, 'b');
  for (int i = 0; i < 20; ++i) shut.ask("/big");
  serve_all(shut);
  EXPECT_LE(front->ended.size(), 5u);
  EXPECT_EQ(front->ended.size() + front->handled.size(), 20u);
}

/// A frame with these fields as they are, none of them out of a table.
std::string headers_frame(std::int32_t stream, bool ends, const std::vector<std::pair<std::string, std::string>>& all) {
  std::string block;
  for (const auto& [name, value] : all) {
    block += '\0';
    block += static_cast<char>(name.size());
    block += name;
    block += static_cast<char>(value.size());
    block += value;
  }
  const int flags = NGHTTP2_FLAG_END_HEADERS | (ends ? int{NGHTTP2_FLAG_END_STREAM} : 0);
  const char head[] = {0, 0, static_cast<char>(block.size()), NGHTTP2_HEADERS, static_cast<char>(flags), 0,
                       0, 0, static_cast<char>(stream)};
  return std::string(head, sizeof head) + block;
}

TEST_F(RecalledByHttp2, IsNotHarmedByARequestThatIsRefusedMidway) {
  const auto get = [](const std::string& path) {
    return std::vector<std::pair<std::string, std::string>>{
        {":method", "GET"}, {":scheme", "http"}, {":authority", "h"}, {":path", path}};
  };
  auto wrong = get("/wrong");
  wrong.emplace_back("connection", "close");
  const char data[] = {0, 0, 1, NGHTTP2_DATA, 0, 0, 0, 0, 1, 'x'};
  const std::string asked = client.written() + headers_frame(1, false, wrong) + headers_frame(3, true, get("/a")) +
                            std::string(data, sizeof data) + headers_frame(5, true, get("/b"));
  peer->says(asked);
  net::loop_group loops(1);
  loops.start();
  net::run_blocking(loops.at(0), serve_connection(std::make_unique<scripted_stream>(peer), front, limits, nullptr));
  EXPECT_THAT(front->ended, ElementsAre("/a 4 whole", "/b 2 whole"));
}

TEST_F(RecalledByHttp2, IsGivenUpWithItsStream) {
  const auto kept = client.ask("/a");
  const auto left = client.ask("/b");
  const std::string asked = client.written(); // nghttp2 would send a reset ahead of the request
  client.cancel(left);
  const auto next = client.ask("/a");
  serve_all(client, asked);
  EXPECT_EQ(client.answers[kept].body, "aaaa");
  EXPECT_EQ(client.answers[next].body, "aaaa");
  EXPECT_THAT(front->ended, ElementsAre("/b 0 cut", "/a 4 whole", "/a 4 whole"));
}

TEST_F(RecalledByHttp2, WaitsForAnOpenWindow) {
  written_client narrow(3);
  limits->send_stall = std::chrono::milliseconds(50);
  const auto stream = narrow.ask("/a");
  serve_all(narrow);
  EXPECT_EQ(narrow.answers[stream].body, "aaa");
  EXPECT_FALSE(narrow.answers[stream].ended);
  EXPECT_EQ(front->waits, 1u);
  EXPECT_THAT(front->ended, ElementsAre("/a 3 cut"));
}

TEST_F(RecalledByHttp2, LeavesOtherRequestsToTheHandler) {
  client.ask("/other");
  client.ask("/other");
  client.ask("/other", "GET", {{"x", "1"}});
  client.ask("/a", "HEAD");
  client.ask("/a", "POST", {}, "body");
  serve_all();
  EXPECT_THAT(front->handled, ElementsAre("/other", "/other", "/other", "/a", "/a"));
  EXPECT_THAT(front->ended, IsEmpty());
  const auto& heads = front->raw_heads;
  ASSERT_EQ(heads.size(), 5u);
  EXPECT_EQ(heads[0], "GET\t/other HTTP/2 http\r\n:authority: h\r\n\r\n");
  EXPECT_EQ(heads[0], heads[1]);
  EXPECT_THAT(heads[2], HasSubstr("x: 1\r\n"));
  EXPECT_EQ(heads[3], "");
  EXPECT_EQ(heads[4], "");
}

} // namespace
} // namespace forebay::http
