// What S3 answers, and what comes of it: errors by code, versions, requester pays, checksums, regions of writes.
#include <gmock/gmock.h>

#include "base/text.h"
#include "origin/checked_body.h"
#include "origin/testing/source_fixture.h"

namespace forebay::origin::s3 {
namespace {

using ::testing::HasSubstr;
using testing::in_turn;
using ::testing::Not;
using testing::quick_settings;
using testing::raw_answer;
using testing::raw_origin;
using testing::seen_heads;

class S3AnswersTest : public testing::source_test {
protected:
  S3AnswersTest() {
    keyed_ = quick_settings();
    keyed_.limits.attempts = 1;
    keyed_.credentials.push_back({"lab", "AKID", "secret", "", "", "", ""});
  }
  std::string store(const raw_origin& server, const std::string& more = "&credentials=lab&region=us-east-1") {
    return "s3://bucket?endpoint=" + percent_encode(server.url("")) + more;
  }
  source_settings keyed_;
  seen_heads heads_;
};

struct meaning {
  const char *status, *code;
  error_kind kind;
  bool retryable;
  const char* words;
};

TEST_F(S3AnswersTest, EachErrorIsWhatItMeans) {
  for (const meaning& each : std::vector<meaning>{
           {"403 Forbidden", "InvalidObjectState", error_kind::forbidden, false, "archived: restore it"},
           {"403 Forbidden", "AccessDenied", error_kind::forbidden, false, "AccessDenied: words of the store"},
           {"403 Forbidden", "InvalidAccessKeyId", error_kind::forbidden, false, "does not know the node's keys"},
           {"403 Forbidden", "SignatureDoesNotMatch", error_kind::forbidden, false, "do not match"},
           {"403 Forbidden", "RequestTimeTooSkewed", error_kind::forbidden, false, "clock of the node"},
           {"400 Bad Request", "ExpiredToken", error_kind::unauthorised, false, "have expired"},
           {"404 Not Found", "NoSuchKey", error_kind::not_found, false, "NoSuchKey"},
           {"404 Not Found", "NoSuchBucket", error_kind::not_found, false, "no such bucket"},
           {"404 Not Found", "NoSuchVersion", error_kind::not_found, false, "no such version"},
           {"301 Moved Permanently", "PermanentRedirect", error_kind::broken, false, "another region"},
           {"503 Slow Down", "SlowDown", error_kind::throttled, true, "SlowDown"},
           {"503 Service Unavailable", "ServiceUnavailable", error_kind::unreachable, true, "503"},
           {"429 Too Many Requests", "TooManyRequests", error_kind::throttled, true, "429"},
           {"500 Internal Server Error", "InternalError", error_kind::broken, true, "InternalError"},
           {"400 Bad Request", "RequestTimeout", error_kind::timeout, true, "RequestTimeout"},
           {"412 Precondition Failed", "PreconditionFailed", error_kind::changed, false, "412"}}) {
    raw_origin server(in_turn({raw_answer(each.status, "",
                                          "<Error><Code>" + std::string(each.code) +
                                              "</Code><Message>words of the store</Message></Error>")}));
    const auto got = read(open(store(server), keyed_), "k");
    ASSERT_TRUE(got.failed) << each.code;
    EXPECT_EQ(to_string(got.failed->kind), to_string(each.kind)) << each.code;
    EXPECT_EQ(got.failed->retryable, each.retryable) << each.code;
    EXPECT_THAT(got.failed->context, HasSubstr(each.words));
  }
}

TEST_F(S3AnswersTest, AnErrorThatIsNoXmlIsStillAnError) {
  for (const char* body : {"<html>proxy", "<Error><Code>Acc", "", "\x01\x02", "{\"error\": 3}"}) {
    raw_origin server(in_turn({raw_answer("403 Forbidden", "", body)}));
    const auto got = read(open(store(server), keyed_), "k");
    ASSERT_TRUE(got.failed) << body;
    EXPECT_EQ(got.failed->kind, error_kind::forbidden);
  }
}

TEST_F(S3AnswersTest, AVersionThatTheReaderNamesIsAnObjectOfItsOwn) {
  raw_origin server(in_turn({raw_answer("200 OK", "ETag: \"e\"\r\n", "old")}, &heads_));
  const auto from = open(store(server), keyed_);
  read_request asked;
  asked.key = "k";
  asked.query = "x=1&versionId=a%2Fb";
  EXPECT_EQ(read(from, asked).body, "old");
  EXPECT_THAT(heads_.last(), HasSubstr("GET /bucket/k?versionId=a%2Fb HTTP"));
  EXPECT_NE(from->identify("k", asked.query).canonical(), from->identify("k", "").canonical());
  EXPECT_EQ(from->identify("k", "versionId=a%2fb").canonical(), from->identify("k", asked.query).canonical());
  EXPECT_EQ(from->identify("k", "x=1").canonical(), from->identify("k", "").canonical());
}

TEST_F(S3AnswersTest, ARequesterWhoPaysSaysSo) {
  raw_origin server(in_turn({raw_answer("200 OK", "", "data")}, &heads_));
  EXPECT_EQ(read(open(store(server, "&credentials=lab&requester_pays=true"), keyed_), "k").body, "data");
  EXPECT_THAT(heads_.last(), HasSubstr("x-amz-request-payer: requester\r\n"));
  EXPECT_THAT(heads_.last(), HasSubstr("x-amz-request-payer, Signature="));
  EXPECT_FALSE(make_source("s3://bucket?anonymous=true&requester_pays=true", keyed_));
}

TEST_F(S3AnswersTest, AWholeObjectIsCheckedAndTheChecksumStaysHere) {
  const std::string good = "x-amz-checksum-crc32c: 4waSgw==\r\nx-amz-checksum-type: FULL_OBJECT\r\nETag: \"e\"\r\n";
  raw_origin server(
      in_turn({raw_answer("200 OK", good, "123456789"), raw_answer("200 OK", good, "123456780")}, &heads_));
  const auto from = open(store(server), keyed_);
  const auto whole = read(from, "k");
  EXPECT_EQ(whole.body, "123456789");
  EXPECT_THAT(heads_.last(), HasSubstr("x-amz-checksum-mode: ENABLED"));
  ASSERT_TRUE(whole.answer);
  EXPECT_FALSE(whole.answer->fields.has("x-amz-checksum-crc32c"));
  const auto damaged = read(from, "k");
  ASSERT_TRUE(damaged.failed);
  EXPECT_TRUE(is_checksum_mismatch(*damaged.failed)) << damaged.failed->message();
  EXPECT_EQ(damaged.body, "");
}

TEST_F(S3AnswersTest, ARangeIsAskedForWithoutChecksum) {
  raw_origin server(in_turn({"HTTP/1.1 206 Partial Content\r\nETag: \"25f9e794323b453885f5181f1b624d0b\"\r\n"
                             "x-amz-request-id: 1\r\nContent-Length: 1\r\nContent-Range: bytes 0-0/9\r\n\r\nX"},
                            &heads_));
  read_request asked;
  asked.key = "k";
  asked.range = http::range_spec{0, 0};
  EXPECT_EQ(read(open(store(server), keyed_), asked).body, "X") << "a part says nothing about the whole";
  EXPECT_THAT(heads_.last(), Not(HasSubstr("x-amz-checksum-mode")));
}

TEST_F(S3AnswersTest, TheRegionIsLearnedBeforeABodyIsSent) {
  raw_origin server(in_turn({raw_answer("400 Bad Request", "x-amz-bucket-region: eu-west-1\r\n", ""),
                             "HTTP/1.1 200 OK\r\nx-amz-bucket-region: eu-west-1\r\nContent-Length: 0\r\n\r\n",
                             raw_answer("200 OK", "Connection: close\r\n", "")},
                            &heads_));
  write_request asked;
  asked.method = "PUT";
  asked.key = "k";
  asked.body = http::make_body("12345");
  asked.length_bytes = 5;
  const auto got = write(open(store(server, "&credentials=lab"), keyed_), std::move(asked));
  ASSERT_FALSE(got.failed) << got.failed->message();
  ASSERT_EQ(heads_.size(), 3u);
  EXPECT_THAT(heads_.all()[0], HasSubstr("HEAD /bucket HTTP"));
  EXPECT_THAT(heads_.all()[2], HasSubstr("PUT /bucket/k HTTP"));
  EXPECT_THAT(heads_.all()[2], HasSubstr("/eu-west-1/s3/"));
}

} // namespace
} // namespace forebay::origin::s3
