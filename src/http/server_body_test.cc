// Bodies of requests: read, not read, awaited with 100-continue, broken.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "http/testing/scripted_server.h"

namespace forebay::http {
namespace {

using fixture = testing::scripted_server;

std::string put(std::string_view target, std::string_view fields, std::string_view body = "") {
  return fmt::format("PUT {} HTTP/1.1\r\nHost: a\r\n{}\r\n{}", target, fields, body);
}
std::string sized(std::string_view target, std::string_view body) {
  return put(target, fmt::format("Content-Length: {}\r\n", body.size()), body);
}
std::string ok(std::string_view body, std::string_view fields = "") {
  return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{}\r\n{}", body.size(), fields, body);
}
const std::string closing = "Connection: close\r\n";
const std::string next = "GET /echo/next HTTP/1.1\r\nHost: a\r\n\r\n";
const std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";

TEST(server_body, large_bodies_arrive_whole) {
  std::string body;
  for (int i = 0; i < 300'000; ++i) body += static_cast<char>('a' + i % 23);
  fixture f;
  f.peer->says(sized("/body", body) + next);
  EXPECT_EQ(f.serve(), ok(body) + ok("/echo/next"));
  std::string chunks;
  for (std::size_t at = 0; at < body.size(); at += 7000) {
    const std::string piece = body.substr(at, 7000);
    chunks += fmt::format("{:x}\r\n{}\r\n", piece.size(), piece);
  }
  fixture g;
  g.peer->says(put("/body", "Transfer-Encoding: chunked\r\n", chunks + "0\r\n\r\n") + next);
  EXPECT_EQ(g.serve(), ok(body) + ok("/echo/next"));
}

TEST(server_body, an_unread_body_is_no_request) {
  const std::string smuggled = "GET /echo/smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
  fixture f;
  f.peer->says(sized("/echo/1", smuggled) + next);
  EXPECT_EQ(f.serve(), ok("/echo/1") + ok("/echo/next"));
  fixture g;
  g.peer->says(put("/echo/1", "Transfer-Encoding: chunked\r\n",
                   fmt::format("{:x}\r\n{}\r\n0\r\n\r\n", smuggled.size(), smuggled)) +
               next);
  EXPECT_EQ(g.serve(), ok("/echo/1") + ok("/echo/next"));
  fixture h; // read in part
  h.peer->says(sized("/read-some", smuggled) + next);
  EXPECT_EQ(h.serve(), ok("read") + ok("/echo/next"));
}

TEST(server_body, a_long_unread_body_ends_the_connection) {
  fixture f;
  f.peer->says(sized("/echo/1", std::string(65 * 1024, 'x')) + next);
  EXPECT_EQ(f.serve(), ok("/echo/1", closing)); // and says so
  EXPECT_TRUE(f.peer->closed);
  EXPECT_LT(f.peer->reads, 3u); // without reading it
  fixture g;
  std::string chunks;
  for (int i = 0; i < 30; ++i) chunks += fmt::format("1000\r\n{}\r\n", std::string(4096, 'x'));
  g.peer->says(put("/echo/1", "Transfer-Encoding: chunked\r\n", chunks + "0\r\n\r\n") + next);
  EXPECT_EQ(g.serve(), ok("/echo/1"));
  EXPECT_TRUE(g.peer->closed);
}

TEST(server_body, an_unread_body_that_stalls_or_breaks_ends_the_connection) {
  fixture f;
  f.peer->says(put("/echo/1", "Content-Length: 10\r\n", "12345")).stalls().says("67890" + next);
  EXPECT_EQ(f.serve(), ok("/echo/1"));
  fixture g;
  g.peer->says(put("/echo/1", "Transfer-Encoding: chunked\r\n", "zz\r\n") + next);
  EXPECT_EQ(g.serve(), ok("/echo/1"));
  fixture h;
  h.peer->says(put("/echo/1", "Content-Length: 10\r\n", "12345"));
  EXPECT_EQ(h.serve(), ok("/echo/1"));
}

TEST(server_body, an_unread_body_has_one_deadline_for_all_of_it) {
  fixture f;
  f.peer->says(put("/echo/1", "Content-Length: 4\r\n", "1")).says("2").says("3").says("4");
  EXPECT_EQ(f.serve(), ok("/echo/1"));
  const auto& until = f.peer->read_deadlines;
  ASSERT_EQ(until.size(), 5u); // the head, three bytes, the end
  EXPECT_EQ(until[1], until[2]);
  EXPECT_EQ(until[1], until[3]);
}

TEST(server_body, the_handler_learns_why_a_body_ended_early) {
  fixture f;
  f.peer->says(put("/body", "Content-Length: 10\r\n", "12345")).stalls().says("67890" + next);
  EXPECT_EQ(f.serve(), ok("12345!timeout", closing));
  fixture g;
  g.peer->says(put("/body", "Content-Length: 10\r\n", "12345"));
  EXPECT_EQ(g.serve(), ok("12345!broken", closing));
  fixture h;
  h.peer->says(put("/body", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\nzz") + next);
  EXPECT_EQ(h.serve(), ok("hello!invalid_input", closing));
}

TEST(server_body, a_chunked_body_has_the_same_limit) {
  fixture f;
  f.limits->body_bytes = 8;
  f.peer->says(put("/body", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n") + next);
  EXPECT_EQ(f.serve(), ok("hello!invalid_input", closing));
  fixture g;
  g.limits->body_bytes = 10;
  g.peer->says(put("/body", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n"));
  EXPECT_EQ(g.serve(), ok("helloworld"));
}

TEST(server_body, continue_is_sent_when_the_body_is_wanted) {
  fixture f;
  std::string before;
  f.peer->says(put("/body", "Content-Length: 5\r\nExpect: 100-continue\r\n")).says("hello" + next, [&] {
    before = f.peer->sent;
  });
  EXPECT_EQ(f.serve(), go_on + ok("hello") + ok("/echo/next"));
  EXPECT_EQ(before, go_on);
}

TEST(server_body, continue_is_not_sent_when_the_body_is_there) {
  fixture f;
  f.peer->says(put("/body", "Content-Length: 5\r\nExpect: 100-continue\r\n", "he")).says("llo" + next);
  EXPECT_EQ(f.serve(), ok("hello") + ok("/echo/next"));
}

TEST(server_body, an_answer_instead_of_continue_ends_the_connection) {
  fixture f;
  f.peer->says(put("/echo/1", "Content-Length: 5\r\nExpect: 100-continue\r\n")).says(next);
  EXPECT_EQ(f.serve(), ok("/echo/1", closing));
  EXPECT_TRUE(f.peer->closed);
}

TEST(server_body, old_clients_get_no_continue) {
  fixture f;
  f.peer->says("PUT /body HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n").says("hello");
  EXPECT_EQ(f.serve(), ok("hello", closing));
}

TEST(server_body, a_body_that_outlives_its_exchange_yields_nothing) {
  fixture f;
  f.peer->says(sized("/keep-body", "hello") + next);
  EXPECT_EQ(f.serve(), ok("kept") + ok("/echo/next"));
  ASSERT_NE(f.front->kept_body, nullptr);
  net::loop_group loops(1);
  loops.start();
  net::run_blocking(loops.at(0), testing::expect_cancelled(std::move(f.front->kept_body)));
}

} // namespace
} // namespace forebay::http
