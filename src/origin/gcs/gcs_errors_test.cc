// What the codes of Google Cloud Storage mean, in the documents of both its APIs.
#include <gmock/gmock.h>

#include "base/text.h"
#include "origin/testing/source_fixture.h"

namespace forebay::origin::gcs {
namespace {

using ::testing::HasSubstr;
using testing::in_turn;
using testing::raw_answer;
using testing::raw_origin;

struct meaning {
  const char *status, *code;
  error_kind kind;
  bool retryable;
  const char* words;
};
constexpr meaning meanings[] = {
    {"429 Too Many Requests", "rateLimitExceeded", error_kind::throttled, true, "rateLimitExceeded"},
    {"403 Forbidden", "rateLimitExceeded", error_kind::throttled, true, "rateLimitExceeded"},
    {"403 Forbidden", "userRateLimitExceeded", error_kind::throttled, true, "userRateLimitExceeded"},
    {"503 Service Unavailable", "SlowDown", error_kind::throttled, true, "SlowDown"},
    {"400 Bad Request", "UserProjectMissing", error_kind::forbidden, false, "set requester_pays or user_project"},
    {"403 Forbidden", "UserProjectAccountProblem", error_kind::forbidden, false, "user_project"},
    {"403 Forbidden", "AccessDenied", error_kind::forbidden, false, "words of the store"},
    {"401 Unauthorized", "InvalidToken", error_kind::unauthorised, false, "does not know the node's keys"},
    {"403 Forbidden", "SignatureDoesNotMatch", error_kind::forbidden, false, "do not match"},
    {"404 Not Found", "NoSuchKey", error_kind::not_found, false, "NoSuchKey"},
    {"404 Not Found", "NoSuchBucket", error_kind::not_found, false, "no such bucket"},
    {"412 Precondition Failed", "PreconditionFailed", error_kind::changed, false, "412"},
    {"500 Internal Server Error", "InternalError", error_kind::broken, true, "InternalError"},
    {"503 Service Unavailable", "backendError", error_kind::unreachable, true, "backendError"},
};

class GcsErrors : public testing::source_test, public ::testing::WithParamInterface<meaning> {
protected:
  std::shared_ptr<source> store(const raw_origin& server) {
    auto once = testing::quick_settings();
    once.limits.attempts = 1;
    return open("gs://bucket?anonymous=true&endpoint=" + percent_encode(server.url("")), once);
  }
  static void check(const error& failure) {
    EXPECT_EQ(to_string(failure.kind), to_string(GetParam().kind));
    EXPECT_EQ(failure.retryable, GetParam().retryable);
    EXPECT_THAT(failure.context, HasSubstr(GetParam().words));
  }
};

TEST_P(GcsErrors, OfTheXmlApi) {
  const std::string document =
      "<Error><Code>" + std::string(GetParam().code) + "</Code><Message>words of the store</Message></Error>";
  raw_origin server(in_turn({raw_answer(GetParam().status, "", document)}));
  const auto got = read(store(server), "k");
  ASSERT_TRUE(got.failed);
  check(*got.failed);
}

TEST_P(GcsErrors, OfTheJsonApi) {
  const std::string document = R"({"error": {"code": 400, "message": "words of the store", "errors": [{"reason": ")" +
                               std::string(GetParam().code) + R"("}]}})";
  raw_origin server(in_turn({raw_answer(GetParam().status, "", document)}));
  const auto got = list(store(server), {});
  ASSERT_FALSE(got);
  check(got.error());
}

INSTANTIATE_TEST_SUITE_P(Codes, GcsErrors, ::testing::ValuesIn(meanings), [](const auto& each) {
  return std::string(each.param.code) + std::string(each.param.status).substr(0, 3);
});

} // namespace
} // namespace forebay::origin::gcs
