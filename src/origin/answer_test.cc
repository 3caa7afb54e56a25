#include "origin/answer.h"

#include <gmock/gmock.h>

#include "http/date.h"
#include "origin/error_body.h"
#include "origin/prices.h"

namespace forebay::origin {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

const wall_time now = *http::parse_date("Sun, 06 Nov 1994 08:49:37 GMT", {});

http::header_table fields(std::initializer_list<std::pair<const char*, const char*>> list) {
  http::header_table table;
  for (const auto& [name, value] : list) table.add(name, value);
  return table;
}

TEST(Validator, PrefersAStrongEtag) {
  EXPECT_EQ(validator_of(fields({{"ETag", "\"a\""}, {"Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"}}), now),
            (validator{validator_kind::strong_etag, "\"a\""}));
}

TEST(Validator, WeakOrDoubledEtagsPinNothing) {
  EXPECT_FALSE(validator_of(fields({{"ETag", "W/\"a\""}}), now));
  EXPECT_FALSE(validator_of(fields({{"ETag", "\"a\""}, {"ETag", "\"b\""}}), now));
}

TEST(Validator, LastModifiedIsStrongASecondBeforeDate) {
  const char* modified = "Sun, 06 Nov 1994 08:49:36 GMT";
  EXPECT_EQ(validator_of(fields({{"Last-Modified", modified}, {"Date", "Sun, 06 Nov 1994 08:49:37 GMT"}}), now),
            (validator{validator_kind::last_modified, modified}));
  EXPECT_FALSE(validator_of(fields({{"Last-Modified", modified}, {"Date", modified}}), now));
  EXPECT_FALSE(validator_of(fields({{"Last-Modified", modified}}), now)) << "without Date it cannot be judged";
  EXPECT_FALSE(validator_of(fields({{"Last-Modified", "yesterday"}, {"Date", modified}}), now));
}

TEST(RetryAfter, ReadsSecondsAndDates) {
  EXPECT_EQ(parse_retry_after(" 120 ", now), 120s);
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:50:37 GMT", now), 60s);
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now), 0s);
  EXPECT_EQ(parse_retry_after("99999999999999", now), 86'400s);
  EXPECT_FALSE(parse_retry_after("soon", now));
  EXPECT_FALSE(parse_retry_after("-1", now));
}

TEST(Status, IsClassified) {
  const auto kind = [](unsigned status, const char* code = "") {
    return classify_status(status, {}, {code, ""}, "x", now).kind;
  };
  EXPECT_EQ(kind(401), error_kind::unauthorised);
  EXPECT_EQ(kind(403), error_kind::forbidden);
  EXPECT_EQ(kind(403, "NoSuchKey"), error_kind::forbidden) << "only a 404 is a 404";
  EXPECT_EQ(kind(404), error_kind::not_found);
  EXPECT_EQ(kind(409, "PublicAccessNotPermitted"), error_kind::forbidden);
  EXPECT_EQ(kind(410), error_kind::gone);
  EXPECT_EQ(kind(412), error_kind::changed);
  EXPECT_EQ(kind(416), error_kind::range_unsatisfiable);
  EXPECT_EQ(kind(429), error_kind::throttled);
  EXPECT_EQ(kind(500), error_kind::broken);
  EXPECT_EQ(kind(500, "NoSuchKey"), error_kind::broken);
  EXPECT_EQ(kind(502), error_kind::unreachable);
  EXPECT_EQ(kind(503), error_kind::unreachable);
  EXPECT_EQ(kind(503, "SlowDown"), error_kind::throttled);
  EXPECT_EQ(kind(504), error_kind::timeout);
  for (unsigned status = 400; status < 600; ++status) {
    const error failure = classify_status(status, {}, {}, "x", now);
    EXPECT_EQ(failure.kind == error_kind::not_found, status == 404) << status;
    EXPECT_EQ(failure.origin_status, static_cast<int>(status));
    const bool final_word = status < 500 && status != 408 && status != 429;
    EXPECT_FALSE(final_word && failure.retryable) << status;
  }
}

TEST(Status, CarriesRetryAfterAndWords) {
  const error failure =
      classify_status(503, fields({{"Retry-After", "7"}}), {"SlowDown", "Reduce your rate"}, "s3://b", now);
  EXPECT_EQ(failure.kind, error_kind::throttled);
  EXPECT_EQ(failure.retry_after, 7s);
  EXPECT_TRUE(failure.retryable);
  EXPECT_FALSE(counts_against_origin(failure));
  EXPECT_THAT(failure.context, HasSubstr("SlowDown: Reduce your rate"));
}

TEST(Status, TellsTheLengthBeyondARange) {
  const error failure = classify_status(416, fields({{"Content-Range", "bytes */1234"}}), {}, "x", now);
  EXPECT_EQ(unsatisfied_length(failure), 1234u);
  EXPECT_FALSE(unsatisfied_length(classify_status(416, {}, {}, "x", now)));
  EXPECT_FALSE(unsatisfied_length(classify_status(404, {}, {}, "x", now)));
}

// Checks of answers.

read_request ranged(std::optional<std::uint64_t> first, std::optional<std::uint64_t> last) {
  read_request asked;
  asked.range = http::range_spec{first, last};
  return asked;
}
result<read_answer> check(const read_request& asked, unsigned status,
                          std::initializer_list<std::pair<const char*, const char*>> list) {
  return check_answer(asked, {status, fields(list)}, "x", now, now);
}

TEST(Check, AcceptsTheRangeThatWasAsked) {
  const auto answer =
      check(ranged(10, 19), 206, {{"Content-Range", "bytes 10-19/100"}, {"Content-Length", "10"}, {"ETag", "\"a\""}});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->range, (byte_range{10, 20}));
  EXPECT_EQ(answer->length_bytes, 100u);
  EXPECT_EQ(answer->pinned.value, "\"a\"");
  EXPECT_TRUE(check(ranged(90, 199), 206, {{"Content-Range", "bytes 90-99/100"}}));
  EXPECT_TRUE(check(ranged(90, std::nullopt), 206, {{"Content-Range", "bytes 90-99/100"}}));
  EXPECT_TRUE(check(ranged(std::nullopt, 5), 206, {{"Content-Range", "bytes 95-99/100"}}));
  EXPECT_TRUE(check(ranged(std::nullopt, 500), 206, {{"Content-Range", "bytes 0-99/100"}}));
  const auto unknown = check(ranged(10, 19), 206, {{"Content-Range", "bytes 10-19/*"}});
  ASSERT_TRUE(unknown);
  EXPECT_FALSE(unknown->length_bytes);
}

TEST(Check, AWrongContentRangeIsBroken) {
  for (const char* value : {"bytes 0-9/100", "bytes 10-18/100", "bytes 10-20/100", "bytes 11-19/100", "bytes 10-19/15",
                            "bytes */100", "bytes 10-9/100", "chars 10-19/100", "", "bytes 10-19", "bytes 9-19/*"}) {
    const auto answer = check(ranged(10, 19), 206, {{"Content-Range", value}});
    ASSERT_FALSE(answer) << value;
    EXPECT_EQ(answer.error().kind, error_kind::broken) << value;
  }
  EXPECT_FALSE(check(ranged(10, 19), 206, {}));
  EXPECT_FALSE(check(ranged(10, 19), 206, {{"Content-Range", "bytes 10-19/100"}, {"Content-Length", "11"}}));
  EXPECT_FALSE(check(ranged(std::nullopt, 5), 206, {{"Content-Range", "bytes 0-4/100"}}));
  EXPECT_FALSE(check({}, 206, {{"Content-Range", "bytes 0-9/100"}})) << "no range was asked";
}

TEST(Check, AWholeAnswerToARangeIsAccepted) {
  const auto answer = check(ranged(10, 19), 200, {{"Content-Length", "100"}, {"ETag", "\"a\""}});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200u);
  EXPECT_FALSE(answer->range);
  EXPECT_EQ(answer->length_bytes, 100u);
}

TEST(Check, AnotherVersionThanThePinIsChanged) {
  read_request asked = ranged(0, 9);
  asked.pin = {validator_kind::strong_etag, "\"a\""};
  asked.pin_length_bytes = 100;
  EXPECT_TRUE(check(asked, 206, {{"Content-Range", "bytes 0-9/100"}, {"ETag", "\"a\""}}));
  const auto kind_of = [&](unsigned status, std::initializer_list<std::pair<const char*, const char*>> list) {
    const auto answer = check(asked, status, list);
    EXPECT_FALSE(answer);
    return answer ? error_kind::internal : answer.error().kind;
  };
  EXPECT_EQ(kind_of(206, {{"Content-Range", "bytes 0-9/100"}, {"ETag", "\"b\""}}), error_kind::changed);
  EXPECT_EQ(kind_of(206, {{"Content-Range", "bytes 0-9/101"}, {"ETag", "\"a\""}}), error_kind::changed);
  EXPECT_EQ(kind_of(206, {{"Content-Range", "bytes 0-9/100"}}), error_kind::changed);
  EXPECT_EQ(kind_of(206, {{"Content-Range", "bytes 0-9/100"}, {"ETag", "W/\"a\""}}), error_kind::changed);
  EXPECT_EQ(kind_of(200, {{"Content-Length", "100"}, {"ETag", "\"b\""}}), error_kind::changed);
  EXPECT_EQ(kind_of(200, {{"Content-Length", "99"}, {"ETag", "\"a\""}}), error_kind::changed);
}

TEST(Check, NotModifiedNeedsAQuestion) {
  EXPECT_FALSE(check({}, 304, {}));
  read_request asked;
  asked.if_none_match = "\"a\"";
  const auto answer = check(asked, 304, {{"ETag", "\"a\""}});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 304u);
  EXPECT_EQ(answer->pinned.value, "\"a\"");
}

TEST(Check, HopByHopFieldsGo) {
  const auto answer =
      check({}, 200, {{"Connection", "X-Hop, close"}, {"X-Hop", "1"}, {"Keep-Alive", "x"}, {"X-End", "1"}});
  ASSERT_TRUE(answer);
  EXPECT_FALSE(answer->fields.has("Connection"));
  EXPECT_FALSE(answer->fields.has("X-Hop"));
  EXPECT_FALSE(answer->fields.has("Keep-Alive"));
  EXPECT_TRUE(answer->fields.has("X-End"));
}

TEST(ErrorBody, IsRead) {
  const auto words = parse_error_body("<?xml version=\"1.0\"?>\n<Error><Code>AuthorizationHeaderMalformed</Code>"
                                      "<Message>wrong\nregion</Message><Region>eu-west-1</Region></Error>");
  EXPECT_EQ(words.detail.code, "AuthorizationHeaderMalformed");
  EXPECT_EQ(words.detail.message, "wrong region");
  EXPECT_EQ(words.region, "eu-west-1");
  EXPECT_EQ(parse_error_body("<ErrorResponse><Error><Code>X</Code></Error></ErrorResponse>").detail.code, "X");
  for (const char* other : {"", "not found", "<html><body>404</body></html>", "<Error><Code>X", "{\"Code\":\"X\"}"}) {
    EXPECT_EQ(parse_error_body(other).detail.code, "") << other;
  }
  const std::string bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\">]><Error><Code>&a;&a;</Code></Error>";
  EXPECT_EQ(parse_error_body(bomb).detail.code, "&a;&a;") << "entities are not expanded";
}

TEST(Prices, AreKnownByHostAndRegion) {
  EXPECT_DOUBLE_EQ(list_price_usd_per_gb("s3.amazonaws.com", "us-east-1"), 0.09);
  EXPECT_DOUBLE_EQ(list_price_usd_per_gb("s3.amazonaws.com", "sa-east-1"), 0.15);
  EXPECT_DOUBLE_EQ(list_price_usd_per_gb("era5-pds.s3.ap-southeast-2.amazonaws.com", ""), 0.114);
  EXPECT_DOUBLE_EQ(list_price_usd_per_gb("b.s3.amazonaws.com", ""), 0.09);
  EXPECT_DOUBLE_EQ(list_price_usd_per_gb("storage.googleapis.com", ""), 0.12);
  EXPECT_DOUBLE_EQ(list_price_usd_per_gb("a.blob.core.windows.net", ""), 0.087);
  EXPECT_DOUBLE_EQ(list_price_usd_per_gb("minio.example.org", "us-east-1"), 0);
}

TEST(Identity, FieldsCannotBeConfused) {
  const identity a{"s3", "https://s3.amazonaws.com:443", "b", "k", "anonymous", ""};
  identity b = a;
  EXPECT_EQ(a.key128(), b.key128());
  b.bucket = "bk";
  b.key = "";
  EXPECT_NE(a.canonical(), b.canonical());
  EXPECT_NE(a.key128(), b.key128());
  const validator tag{validator_kind::strong_etag, "\"a\""};
  EXPECT_EQ(make_version_key(a.key128(), tag, 5), make_version_key(a.key128(), tag, 5));
  EXPECT_NE(make_version_key(a.key128(), tag, 5), make_version_key(a.key128(), tag, 6));
  EXPECT_NE(make_version_key(a.key128(), tag, 5), make_version_key(a.key128(), tag, std::nullopt));
  EXPECT_NE(make_version_key(a.key128(), {}, std::nullopt, 1), make_version_key(a.key128(), {}, std::nullopt, 2));
  EXPECT_NE(make_version_key(a.key128(), tag, 5),
            make_version_key(a.key128(), {validator_kind::last_modified, "\"a\""}, 5));
}

} // namespace
} // namespace forebay::origin
