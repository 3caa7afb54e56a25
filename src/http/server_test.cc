#include "http/server.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/testing/scripted_server.h"

namespace forebay::http {
namespace {

using testing::count_of;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using testing::test_front;
using fixture = testing::scripted_server;

std::string get(std::string_view target, std::string_view fields = "") {
  return fmt::format("GET {} HTTP/1.1\r\nHost: a\r\n{}\r\n", target, fields);
}
std::string ok(std::string_view body, std::string_view fields = "") {
  return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{}\r\n{}", body.size(), fields, body);
}

TEST(server, answers_and_keeps_the_connection) {
  fixture f;
  f.peer->says(get("/echo/1")).says(get("/echo/2"));
  EXPECT_EQ(f.serve(), ok("/echo/1") + ok("/echo/2"));
  EXPECT_TRUE(f.peer->closed);
  EXPECT_THAT(f.peer->sent, HasSubstr("\r\nDate: "));
  EXPECT_THAT(f.peer->sent, HasSubstr("\r\nX-Request-Id: "));
}

TEST(server, head_fields_and_first_bytes_leave_in_one_send) {
  fixture f;
  f.peer->says(get("/shared"));
  EXPECT_THAT(f.serve(), StartsWith("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-Shared: 1\r\n\r\nbody"));
  EXPECT_EQ(f.peer->sends.size(), 1u);
  EXPECT_EQ(f.peer->last_stall, f.limits->send_stall);
}

TEST(server, pipelined_requests_split_anywhere_are_answered_in_order) {
  const std::string text = get("/echo/1") + "PUT /body HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" +
                           get("/echo/2") + "PUT /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
                           "3\r\nabc\r\n2;x\r\nde\r\n0\r\nX: y\r\n\r\n" +
                           "PUT /echo/unread HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nGET" +
                           "HEAD /echo/3 HTTP/1.1\r\nHost: a\r\n\r\n" + get("/chunked") + get("/echo/4");
  const std::string wanted = ok("/echo/1") + ok("hello") + ok("/echo/2") + ok("abcde[X: y]") + ok("/echo/unread") +
                             "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n" +
                             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n" +
                             ok("/echo/4");
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    fixture f;
    f.peer->says(text.substr(0, cut)).says(text.substr(cut));
    if (cut == 0 || cut == text.size()) f.peer->script.erase(f.peer->script.begin() + (cut == 0 ? 0 : 1));
    ASSERT_EQ(f.serve(), wanted) << cut;
    ASSERT_EQ(f.front->records.size(), 8u) << cut;
  }
  fixture f;
  f.peer->read_size_limit = 1;
  f.peer->says(text);
  EXPECT_EQ(f.serve(), wanted);
}

TEST(server, interim_answers_go_ahead_of_the_final_one) {
  fixture f;
  f.peer->says(get("/interim") + get("/interim")).says("GET /interim HTTP/1.0\r\n\r\n");
  f.serve();
  const std::string both = "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\n";
  EXPECT_THAT(f.peer->sent, StartsWith(both + "HTTP/1.1 200 OK\r\n"));
  EXPECT_EQ(count_of(f.peer->sent, both), 2u) << "HTTP/1.0 knows none";
  EXPECT_EQ(count_of(f.peer->sent, "HTTP/1.1 200 OK"), 3u);
}

TEST(server, what_begins_neither_protocol_is_not_answered_in_one_of_them) {
  fixture f;
  f.peer->says("INVALID CONNECTION PREFACE\r\n\r\n");
  EXPECT_EQ(f.serve(), "");
  EXPECT_TRUE(f.peer->closed);
  for (const char* nearly : {"GET / PREFACE\r\n\r\n", "INVALID PREFACE HTTP/1.1\r\n\r\n"}) {
    fixture g;
    g.peer->says(nearly);
    EXPECT_THAT(g.serve(), StartsWith("HTTP/1.1 400 ")) << nearly;
  }
  fixture later;
  later.peer->says(get("/echo/1") + "INVALID CONNECTION PREFACE\r\n\r\n");
  EXPECT_THAT(later.serve(), HasSubstr("HTTP/1.1 400 ")) << "it speaks HTTP/1.1";
  fixture off;
  off.limits->http2.streams = 0;
  off.peer->says("INVALID CONNECTION PREFACE\r\n\r\n");
  EXPECT_THAT(off.serve(), StartsWith("HTTP/1.1 400 ")) << "there is no other protocol";
}

TEST(server, many_pipelined_requests_take_turns) {
  fixture f;
  std::string text, wanted;
  for (int i = 0; i < 500; ++i) {
    text += get(fmt::format("/echo/{}", i));
    wanted += ok(fmt::format("/echo/{}", i));
  }
  f.peer->says(text);
  EXPECT_EQ(f.serve(), wanted);
}

TEST(server, http_1_0) {
  fixture f;
  f.peer->says("GET /echo/1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /echo/2 HTTP/1.0\r\n\r\n" + get("/echo/3"));
  EXPECT_EQ(f.serve(), ok("/echo/1", "Connection: keep-alive\r\n") + ok("/echo/2", "Connection: close\r\n"));
}

TEST(server, unknown_length_in_http_1_0_ends_with_the_connection) {
  fixture f;
  f.peer->says("GET /chunked HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + get("/echo/3"));
  EXPECT_EQ(f.serve(), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nonetwo");
  EXPECT_TRUE(f.peer->closed);
}

TEST(server, connection_close_is_honoured) {
  fixture f;
  f.peer->says(get("/echo/1", "Connection: close\r\n") + get("/echo/2"));
  EXPECT_EQ(f.serve(), ok("/echo/1", "Connection: close\r\n"));
  fixture g;
  g.peer->says(get("/close") + get("/echo/2"));
  EXPECT_EQ(g.serve(), ok("bye", "Connection: close\r\n"));
}

TEST(server, answers_without_a_body) {
  fixture f;
  f.peer->says(get("/204") + get("/304") + get("/none") + "HEAD /chunked HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(f.serve(), "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\n"
                       "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
}

TEST(server, chunked_answers_with_trailers_and_empty_ones) {
  fixture f;
  f.peer->says(get("/trailers") + get("/chunked-empty"));
  EXPECT_EQ(f.serve(),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\nX-Sum: 6\r\n\r\n"
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
}

TEST(server, long_bodies_are_pulled_in_steps) {
  fixture f;
  f.peer->says(get("/long"));
  const std::string out = f.serve();
  EXPECT_EQ(out, ok(std::string(test_front::long_bytes, 'x')));
  EXPECT_LE(f.front->largest_pull, 1024u * 1024u);
  EXPECT_EQ(f.peer->sends.size(), 10u);
}

TEST(server, the_handler_cannot_frame_the_message) {
  fixture f;
  f.peer->says(get("/framing"));
  EXPECT_EQ(f.serve(), "HTTP/1.1 200 OK\r\nX-Kept: 1\r\nContent-Length: 4\r\n\r\nbody");
}

TEST(server, a_date_that_the_answer_brings_is_kept) {
  fixture f;
  f.peer->says(get("/dated") + get("/dated-shared"));
  f.serve();
  const std::string& sent = f.peer->sent;
  EXPECT_THAT(sent, HasSubstr("Date: Sun, 06 Nov 1994 08:49:37 GMT"));
  EXPECT_EQ(count_of(sent, "\r\nDate: ") + count_of(sent, "\r\ndate: "), 2u);
}

TEST(server, request_ids) {
  fixture f;
  const std::string longest(128, 'a');
  f.peer->says(get("/id", "X-Request-Id: abc.DEF_1-2\r\n") + get("/id", "X-Request-Id: " + longest + "\r\n") +
               get("/id", "X-Request-Id: " + longest + "a\r\n") + get("/id", "X-Request-Id: a b\r\n") +
               get("/id", "X-Request-Id:\r\n") + get("/id"));
  f.serve();
  ASSERT_EQ(f.front->ids.size(), 6u);
  EXPECT_EQ(f.front->ids[0], "abc.DEF_1-2");
  EXPECT_EQ(f.front->ids[1], longest);
  EXPECT_THAT(f.peer->sent, HasSubstr("X-Request-Id: abc.DEF_1-2\r\n"));
  for (std::size_t i = 2; i < 6; ++i) {
    EXPECT_EQ(f.front->ids[i].size(), 16u);
    EXPECT_EQ(f.front->ids[i].find_first_not_of("0123456789abcdef"), std::string::npos) << f.front->ids[i];
    for (std::size_t j = 2; j < i; ++j) EXPECT_NE(f.front->ids[i], f.front->ids[j]);
  }
}

TEST(server, a_refused_request_ends_the_connection_and_hides_nothing_behind_it) {
  for (const std::string bad :
       {"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\nHost: a\n\n",
        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}) {
    fixture f;
    f.peer->says(get("/echo/1") + bad + get("/echo/2"));
    EXPECT_EQ(f.serve(),
              ok("/echo/1") + "HTTP/1.1 400 Bad Request\r\nContent-Length: 7\r\nConnection: close\r\n\r\nrefused");
    EXPECT_TRUE(f.peer->closed);
    ASSERT_EQ(f.front->records.size(), 2u);
    EXPECT_EQ(f.front->records[1].status, 400u);
    EXPECT_TRUE(f.front->records[1].complete);
  }
  fixture f;
  f.limits->target_bytes = 10;
  f.peer->says(get("/0123456789"));
  EXPECT_THAT(f.serve(), StartsWith("HTTP/1.1 414 URI Too Long\r\n"));
}

TEST(server, deadlines_of_heads) {
  fixture f;
  f.peer->says("GET / HT").stalls().says(get("/echo/1"));
  EXPECT_THAT(f.serve(), StartsWith("HTTP/1.1 408 Request Timeout\r\n"));
  EXPECT_TRUE(f.peer->closed);

  fixture idle; // between requests: waits in short steps until the idle deadline, then ends without a word
  idle.limits->idle_timeout = std::chrono::milliseconds(0);
  idle.peer->says(get("/echo/1")).stalls().says(get("/echo/2"));
  EXPECT_EQ(idle.serve(), ok("/echo/1"));

  fixture patient;
  patient.peer->stalls().stalls().says(get("/echo/1")).stalls().says(get("/echo/2"));
  EXPECT_EQ(patient.serve(), ok("/echo/1") + ok("/echo/2"));
}

TEST(server, a_peer_that_leaves_within_a_head_gets_nothing) {
  fixture f;
  f.peer->says("GET / HT");
  EXPECT_EQ(f.serve(), "");
  EXPECT_TRUE(f.front->records.empty());
  fixture g;
  g.peer->says(get("/echo/1") + "GET").resets();
  EXPECT_EQ(g.serve(), ok("/echo/1"));
}

TEST(server, draining_ends_idle_connections_and_closes_after_the_next_answer) {
  fixture f;
  f.peer->says(get("/echo/1")).stalls([&f] { *f.draining = true; }).says(get("/echo/2"));
  EXPECT_EQ(f.serve(), ok("/echo/1"));
  EXPECT_TRUE(f.peer->closed);
  fixture g;
  g.peer->says(get("/echo/1")).says(get("/echo/2"), [&g] { *g.draining = true; }).says(get("/echo/3"));
  EXPECT_EQ(g.serve(), ok("/echo/1") + ok("/echo/2", "Connection: close\r\n"));
}

TEST(server, exchange_records) {
  fixture f;
  f.peer->says(get("/echo/1") + get("/204") + "HEAD /echo/2 HTTP/1.1\r\nHost: a\r\n\r\n");
  f.serve();
  ASSERT_EQ(f.front->records.size(), 3u);
  const auto& first = f.front->records[0];
  EXPECT_EQ(first.status, 200u);
  EXPECT_EQ(first.sent_bytes, 7u);
  EXPECT_TRUE(first.complete);
  EXPECT_GE(first.first_byte.count(), 0);
  EXPECT_GE(first.total, first.first_byte);
  EXPECT_EQ(f.front->records[1].status, 204u);
  EXPECT_EQ(f.front->records[2].sent_bytes, 0u);
  EXPECT_EQ(f.front->targets, (std::vector<std::string>{"/echo/1", "/204", "/echo/2"}));
}

TEST(server, a_reader_that_takes_no_more_is_broken_off) {
  fixture f;
  f.peer->accepts_bytes = 100;
  f.peer->says(get("/long") + get("/echo/2"));
  f.serve();
  EXPECT_TRUE(f.peer->aborted);
  ASSERT_EQ(f.front->records.size(), 1u);
  EXPECT_FALSE(f.front->records[0].complete);
}

TEST(server, a_body_that_fails_midway_is_broken_off) {
  for (const char* target : {"/fails-midway", "/fails-midway-chunked"}) {
    fixture f;
    f.peer->says(get(target) + get("/echo/2"));
    const std::string out = f.serve();
    EXPECT_TRUE(f.peer->aborted) << target;
    EXPECT_THAT(out, HasSubstr("one"));
    EXPECT_THAT(out, Not(EndsWith("0\r\n\r\n")));
    ASSERT_EQ(f.front->records.size(), 1u);
    EXPECT_FALSE(f.front->records[0].complete);
    EXPECT_EQ(f.front->records[0].sent_bytes, 3u);
  }
}

TEST(server, a_body_that_fails_before_its_first_byte_is_an_error_in_words) {
  fixture f;
  f.peer->says(get("/fails-first") + get("/echo/2"));
  EXPECT_EQ(f.serve(), "HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 7\r\nConnection: close\r\n\r\nrefused");
  EXPECT_TRUE(f.peer->closed);
  ASSERT_EQ(f.front->records.size(), 1u);
  EXPECT_EQ(f.front->records[0].status, 504u);
  fixture g; // whatever a body calls its failure: it must not look like a missing object
  g.peer->says(get("/fails-not-found"));
  EXPECT_THAT(g.serve(), StartsWith("HTTP/1.1 502 Bad Gateway\r\n"));
}

TEST(server, a_body_of_another_length_than_it_said_is_broken_off) {
  for (const char* target :
       {"/too-short", "/too-long", "/too-long-later", "/too-long-at-once", "/empty-but-long", "/long-but-null"}) {
    fixture f;
    f.peer->says(get(target) + get("/echo/2"));
    const std::string out = f.serve();
    EXPECT_TRUE(f.peer->aborted) << target;
    EXPECT_THAT(out, Not(HasSubstr("more"))) << target;
    EXPECT_THAT(out, Not(HasSubstr("/echo/2"))) << target;
    ASSERT_EQ(f.front->records.size(), 1u) << target;
    EXPECT_FALSE(f.front->records[0].complete) << target;
  }
}

TEST(server, an_exception_of_the_handler_is_a_500) {
  fixture f;
  f.peer->says(get("/throws") + get("/echo/2"));
  EXPECT_THAT(f.serve(), StartsWith("HTTP/1.1 500 Internal Server Error\r\n"));
  EXPECT_TRUE(f.peer->closed);
  EXPECT_EQ(f.front->records.size(), 1u);
}

TEST(server, notes_outlive_the_body_and_not_the_exchange) {
  fixture f;
  f.peer->says(get("/notes") + get("/echo/1"));
  f.serve();
  EXPECT_TRUE(f.front->note_at_finish);
  EXPECT_TRUE(f.front->note.expired());
}

} // namespace
} // namespace forebay::http
