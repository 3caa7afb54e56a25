#include "http/http2/fields.h"

#include <gtest/gtest.h>

#include "http/http2/connection.h"
#include "http/http2/guard.h"

namespace forebay::http {
namespace {

using pairs = std::vector<std::pair<std::string, std::string>>;

const pairs plain{{":method", "GET"}, {":scheme", "https"}, {":authority", "data.example"}, {":path", "/a?b"}};

struct read_head {
  request_head head;
  unsigned status = 0;
  bool expects_continue = false;
};

read_head read(const pairs& first, const pairs& more = {}, server_limits limits = {}) {
  http2_head reading;
  for (const pairs* all : {&first, &more}) {
    for (const auto& [name, value] : *all) reading.add(name, value, limits);
  }
  read_head out;
  out.status = reading.finish(out.head, limits).status;
  out.expects_continue = reading.expects_continue();
  return out;
}

std::string text_of(const http2_answer_fields& fields) {
  std::string text;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const nghttp2_nv& one = fields.data()[i];
    text.append(reinterpret_cast<const char*>(one.name), one.namelen).append("=");
    text.append(reinterpret_cast<const char*>(one.value), one.valuelen).append(";");
  }
  return text;
}

TEST(Http2Head, IsWhatTheParserWouldHaveMade) {
  const auto got = read(plain, {{"accept", "x"}, {"cookie", "a=1"}, {"cookie", "b=2"}});
  EXPECT_EQ(got.status, 0u);
  EXPECT_EQ(got.head.method, "GET");
  EXPECT_EQ(got.head.target, "/a?b");
  EXPECT_EQ(got.head.version, 20u);
  EXPECT_EQ(got.head.fields.get("Host"), "data.example");
  EXPECT_EQ(got.head.fields.get("cookie"), "a=1; b=2");
}

TEST(Http2Head, TakesHostWithoutAuthority) {
  const pairs without{{":method", "GET"}, {":scheme", "https"}, {":path", "/"}};
  EXPECT_EQ(read(without, {{"host", "a.example"}}).head.fields.get("host"), "a.example");
  EXPECT_EQ(read(plain, {{"host", "DATA.example"}}).status, 0u);
  EXPECT_EQ(read(plain, {{"host", "data.example:443"}}).status, 0u);
}

TEST(Http2Head, RefusesWhatTheParserRefuses) {
  EXPECT_EQ(read(plain, {{"host", "other.example"}}).status, 400u);
  EXPECT_EQ(read(plain, {{"host", "data.example"}, {"host", "data.example"}}).status, 400u);
  EXPECT_EQ(read({{":method", "GET"}, {":scheme", "http"}, {":authority", "a b"}, {":path", "/"}}).status, 400u);
  EXPECT_EQ(read({{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", "http://b/"}}).status, 400u);
  EXPECT_EQ(read({{":method", "CONNECT"}, {":authority", "a:1"}}).status, 501u);
  EXPECT_EQ(read(plain, {{"expect", "a-miracle"}}).status, 417u);
  EXPECT_TRUE(read(plain, {{"expect", "100-continue"}}).expects_continue);
}

TEST(Http2Head, KeepsToTheLimits) {
  server_limits limits;
  limits.header_bytes = 1000;
  limits.target_bytes = 10;
  limits.header_fields = 5;
  limits.body_bytes = 99;
  EXPECT_EQ(read(plain, {}, limits).status, 0u);
  EXPECT_EQ(read(plain, {{"x", std::string(900, 'y')}}, limits).status, 431u);
  EXPECT_EQ(read(plain, pairs(6, {"x", "y"}), limits).status, 431u);
  EXPECT_EQ(read(plain, {{"content-length", "100"}}, limits).status, 413u);
  EXPECT_EQ(read(plain, {{"content-length", "99"}}, limits).status, 0u);
  const pairs far{{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/01234567890"}};
  EXPECT_EQ(read(far, {}, limits).status, 414u);
}

TEST(Http2Answer, HasNoFieldsOfAConnection) {
  response answer;
  for (const char* name : {"Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade", "Content-Length"})
    answer.head.fields.add(name, "99");
  answer.head.fields.add("ETag", "\"x\"");
  answer.shared_fields = std::make_shared<const std::string>("Content-Type: a/b\r\nDate: then\r\n");
  answer_framing framing;
  framing.content_length = 5;
  EXPECT_EQ(text_of(http2_answer_fields(answer, framing, "id")),
            ":status=200;etag=\"x\";content-type=a/b;date=then;x-request-id=id;content-length=5;");
}

TEST(Http2Answer, OfARecalledOneRefersToItsHead) {
  std::string head = "HTTP/1.1 206 Partial Content\r\nETag: \"X\"\r\nContent-Length: 5\r\nConnection: close\r\n"
                     "x-empty:\r\nX-Request-Id: A1\r\n\r\nwords: none";
  http2_answer_fields fields;
  for (int i = 0; i < 2; ++i) { // its memory goes round
    fields.refer_to(head);
    EXPECT_EQ(text_of(fields), ":status=206;etag=\"X\";content-length=5;x-empty=;x-request-id=A1;");
  }
  EXPECT_NE(fields.data()[4].flags & NGHTTP2_NV_FLAG_NO_INDEX, 0);
}

TEST(Http2Head, AsTextTellsRequestsApart) {
  const auto raw = [](const pairs& all) {
    http2_head reading;
    for (const auto& [name, value] : all) reading.add(name, value, {});
    return std::string(reading.raw());
  };
  pairs other = plain;
  EXPECT_EQ(raw(plain), raw(other));
  for (const auto& more : pairs{{"cookie", "a=1"}, {"accept", "x"}}) {
    other = plain;
    other.push_back(more);
    EXPECT_NE(raw(plain), raw(other)) << more.first;
  }
  for (std::size_t i = 1; i < plain.size(); ++i) {
    other = plain;
    other[i].second += "x";
    EXPECT_NE(raw(plain), raw(other)) << plain[i].first;
  }
  EXPECT_EQ(raw({{":method", "HEAD"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}}), "");
  EXPECT_EQ(raw({{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/a b"}}), "");
  EXPECT_EQ(raw({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"x", std::string(40'000, 'y')}}), "")
      << "beyond the limits";
}

TEST(Http2Answer, TrailersAreFieldsAlone) {
  header_table trailers;
  trailers.add("X-Sum", "1");
  trailers.add("Connection", "close");
  EXPECT_EQ(text_of(http2_answer_fields(trailers)), "x-sum=1;");
}

TEST(Http2Preface, IsToldFromHttp1) {
  const auto match = [](std::string_view text) { return match_http2_preface(std::as_bytes(std::span(text))); };
  EXPECT_EQ(match("GET / HTTP/1.1\r\n"), preface_match::no);
  EXPECT_EQ(match("PROPFIND / HTTP/1.1\r\n"), preface_match::no);
  EXPECT_EQ(match("PR"), preface_match::so_far);
  EXPECT_EQ(match("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), preface_match::whole);
  EXPECT_EQ(match("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nmore"), preface_match::whole);
  EXPECT_EQ(match("PRI * HTTP/1.1\r\n\r\n"), preface_match::no);
}

TEST(Http2Allowance, IsSpentAndComesBack) {
  const steady_time start{};
  allowance left(3, 2, start);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(left.take(start));
  EXPECT_FALSE(left.take(start));
  EXPECT_TRUE(left.take(start + std::chrono::milliseconds(500)));
  EXPECT_FALSE(left.take(start + std::chrono::milliseconds(500)));
  left.give(1);
  EXPECT_TRUE(left.take(start + std::chrono::milliseconds(500)));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(left.take(start + std::chrono::hours(1))) << "no more than at once";
  EXPECT_FALSE(left.take(start + std::chrono::hours(1)));
}

} // namespace
} // namespace forebay::http
