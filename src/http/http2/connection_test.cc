// HTTP/2 over a scripted connection.
#include "http/http2/connection.h"

#include <gtest/gtest.h>

#include "http/testing/scripted_server.h"
#include "http/testing/written_client.h"

namespace forebay::http {
namespace {

using testing::scripted_server;
using testing::test_front;
using testing::written_client;

struct scene : scripted_server {
  written_client client;
  /// Serves all that the client has asked for, and ends its side.
  void serve_all() {
    peer->says(client.written());
    serve();
    client.read(peer->sent);
  }
};

TEST(Http2Connection, AnswersInOneFrameEach) {
  scene all;
  const auto plain = all.client.ask("/framing");
  const auto head = all.client.ask("/framing", "HEAD");
  const auto none = all.client.ask("/204");
  all.serve_all();
  EXPECT_EQ(all.client.answers[plain].status, "200");
  EXPECT_EQ(all.client.answers[plain].body, "body");
  EXPECT_NE(all.client.answers[plain].fields.find("content-length=4;"), std::string::npos);
  EXPECT_NE(all.client.answers[plain].fields.find("x-kept=1;"), std::string::npos);
  EXPECT_EQ(all.client.answers[plain].fields.find("connection="), std::string::npos);
  EXPECT_EQ(all.client.answers[head].body, "");
  EXPECT_NE(all.client.answers[head].fields.find("content-length=4;"), std::string::npos);
  EXPECT_EQ(all.client.answers[none].status, "204");
  for (const auto stream : {plain, head, none}) EXPECT_TRUE(all.client.answers[stream].ended);
  EXPECT_EQ(all.front->records.size(), 3u);
  EXPECT_TRUE(all.front->records[0].complete);
}

TEST(Http2Connection, BodiesOfUnknownLengthEndWithTheirStream) {
  scene all;
  const auto stream = all.client.ask("/chunked");
  all.serve_all();
  EXPECT_EQ(all.client.answers[stream].body, "onetwo");
  EXPECT_EQ(all.client.answers[stream].fields.find("content-length"), std::string::npos);
  EXPECT_TRUE(all.client.answers[stream].ended);
}

TEST(Http2Connection, TrailersFollowTheBody) {
  scene all;
  const auto stream = all.client.ask("/trailers");
  all.serve_all();
  EXPECT_EQ(all.client.answers[stream].body, "onetwo");
  EXPECT_NE(all.client.answers[stream].fields.find("x-sum=6;"), std::string::npos);
  EXPECT_TRUE(all.client.answers[stream].ended);
}

TEST(Http2Connection, ABodyThatFailsIsAStreamThatIsReset) {
  for (const char* path : {"/fails-midway", "/fails-midway-chunked", "/long-but-null"}) {
    scene all;
    const auto broken = all.client.ask(path);
    const auto other = all.client.ask("/framing");
    all.serve_all();
    EXPECT_EQ(all.client.answers[broken].reset, std::uint32_t{NGHTTP2_INTERNAL_ERROR}) << path;
    EXPECT_TRUE(all.client.answers[other].ended) << path;
    EXPECT_FALSE(all.front->records.front().complete && all.front->records.back().complete) << path;
  }
}

TEST(Http2Connection, RequestBodiesReachTheirHandler) {
  scene all;
  const std::string body(100'000, 'b');
  const auto read = all.client.ask("/body", "PUT", {{"expect", "100-continue"}}, body.substr(0, 5'000));
  const auto unread = all.client.ask("/framing", "PUT", {}, body.substr(0, 1'000));
  all.serve_all();
  EXPECT_EQ(all.client.answers[read].body, body.substr(0, 5'000));
  EXPECT_EQ(all.client.answers[unread].body, "body");
  EXPECT_TRUE(all.client.answers[unread].ended);
}

TEST(Http2Connection, InterimAnswersGoAheadOfTheFinalOne) {
  scene all;
  const auto stream = all.client.ask("/interim");
  all.serve_all();
  EXPECT_EQ(all.client.answers[stream].status, "102 103 200");
  EXPECT_NE(all.client.answers[stream].fields.find("link=</s.css>;"), std::string::npos);
  EXPECT_EQ(all.client.answers[stream].fields.find("connection="), std::string::npos);
  EXPECT_TRUE(all.client.answers[stream].ended);
}

TEST(Http2Connection, AnExceptionIsA500) {
  scene all;
  const auto stream = all.client.ask("/throws");
  all.serve_all();
  EXPECT_EQ(all.client.answers[stream].status, "500");
}

TEST(Http2Connection, ACancelledStreamIsReportedAsBroken) {
  scene all;
  all.client.cancel(all.client.ask("/framing"));
  const auto other = all.client.ask("/framing");
  all.serve_all();
  EXPECT_TRUE(all.client.answers[other].ended);
}

TEST(Http2Connection, HeadsBeyondTheLimitsAreRefusedInWords) {
  scene all;
  all.limits->target_bytes = 10;
  const auto stream = all.client.ask("/" + std::string(20, 'x'));
  all.serve_all();
  EXPECT_EQ(all.client.answers[stream].status, "414");
}

TEST(Http2Connection, LargeBodiesAreWholeAndPulledInPortions) {
  scene all;
  const auto stream = all.client.ask("/long");
  all.serve_all();
  EXPECT_EQ(all.client.answers[stream].body.size(), test_front::long_bytes);
  EXPECT_LE(all.front->largest_pull, 256u * 1024);
}

TEST(Http2Connection, ADrainingNodeSaysGoodbye) {
  scene all;
  all.client.ask("/framing");
  all.draining->store(true);
  all.serve_all();
  EXPECT_TRUE(all.client.going_away);
}

} // namespace
} // namespace forebay::http
