#include "origin/s3/key_services.h"

#include <gmock/gmock.h>

#include "base/text.h"
#include "http/date.h"
#include "origin/s3/credentials.h"
#include "origin/testing/environment.h"
#include "origin/testing/source_fixture.h"

namespace forebay::origin::s3 {
namespace {

using ::testing::HasSubstr;
using testing::in_turn;
using ::testing::Not;
using testing::raw_answer;
using testing::raw_origin;
using testing::seen_heads;

std::string metadata_keys(const std::string& id, const std::string& end = "2099-01-01T00:00:00Z") {
  return R"({"Code": "Success", "AccessKeyId": ")" + id + R"(", "SecretAccessKey": "s", "Token": "token-of-)" + id +
         R"(", "Expiration": ")" + end + "\"}";
}

TEST(KeyServices, AnswersAreRead) {
  const auto keys = parse_metadata_keys(metadata_keys("ASIA1"), "x");
  ASSERT_TRUE(keys);
  EXPECT_EQ(keys->value.access_key_id, "ASIA1");
  EXPECT_EQ(keys->value.session_token, "token-of-ASIA1");
  EXPECT_EQ(keys->expires, http::parse_date("Thu, 01 Jan 2099 00:00:00 GMT", {}));
  const auto sts = parse_sts_keys(
      "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
      "<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>S</SecretAccessKey>"
      "<SessionToken>T</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
      "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
      "x");
  ASSERT_TRUE(sts);
  EXPECT_EQ(sts->value.session_token, "T");
  EXPECT_TRUE(sts->expires);
}

TEST(KeyServices, KeysThatNeverEndDoNotOverflowTheClock) {
  const auto keys = parse_metadata_keys(metadata_keys("A", "9999-12-31T23:59:59Z"), "x");
  ASSERT_TRUE(keys);
  EXPECT_EQ(keys->expires, http::parse_date("Wed, 01 Jan 2200 00:00:00 GMT", {}));
}

TEST(KeyServices, OtherAnswersAreFailures) {
  for (const char* text : {"", "[]", "{}", R"({"AccessKeyId": "a"})", "<html/>"}) {
    EXPECT_EQ(parse_metadata_keys(text, "x").error().kind, error_kind::broken) << text;
    EXPECT_EQ(parse_sts_keys(text, "x").error().kind, error_kind::broken) << text;
  }
  EXPECT_EQ(parse_metadata_keys(R"({"Code": "AssumeRoleUnauthorizedAccess"})", "x").error().kind,
            error_kind::unauthorised);
}

class KeyServicesTest : public testing::source_test {
protected:
  KeyServicesTest() {
    for (const char* name :
         {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
          "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_WEB_IDENTITY_TOKEN_FILE",
          "AWS_ROLE_ARN", "AWS_REGION", "AWS_DEFAULT_REGION"}) {
      set_.unset(name);
    }
    set_.set("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent");
    set_.set("AWS_CONFIG_FILE", "/nonexistent");
  }
  std::string store(const raw_origin& server, const std::string& more) {
    return "s3://bucket?endpoint=" + percent_encode(server.url("")) + more;
  }
  testing::test_environment set_;
  seen_heads asked_, stored_;
};

TEST_F(KeyServicesTest, AnInstanceShowsItsRolesKeys) {
  raw_origin metadata(in_turn({raw_answer("200 OK", "", "session-1"), raw_answer("200 OK", "", "reader-role\n"),
                               raw_answer("200 OK", "", metadata_keys("ASIA1"))},
                              &asked_));
  raw_origin server(in_turn({raw_answer("200 OK", "ETag: \"e\"\r\n", "data")}, &stored_));
  set_.set("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.url("/"));
  const auto from = open(store(server, "&auth=instance"));
  EXPECT_EQ(read(from, "a").body, "data");
  EXPECT_EQ(read(from, "b").body, "data");
  const auto other = open(store(server, "&auth=instance"));
  EXPECT_EQ(read(other, "c").body, "data");
  ASSERT_EQ(asked_.size(), 3u) << "one fetch for all sources of the node";
  EXPECT_THAT(asked_.all()[0], HasSubstr("PUT /latest/api/token HTTP"));
  EXPECT_THAT(asked_.all()[0], HasSubstr("X-aws-ec2-metadata-token-ttl-seconds: 21600"));
  EXPECT_THAT(asked_.all()[1], HasSubstr("GET /latest/meta-data/iam/security-credentials/ HTTP"));
  EXPECT_THAT(asked_.all()[2], HasSubstr("GET /latest/meta-data/iam/security-credentials/reader-role HTTP"));
  EXPECT_THAT(asked_.all()[2], HasSubstr("X-aws-ec2-metadata-token: session-1"));
  EXPECT_THAT(stored_.last(), HasSubstr("x-amz-security-token: token-of-ASIA1"));
  EXPECT_EQ(from->identify("a", "").scope, "s3:instance");
}

TEST_F(KeyServicesTest, MetadataServicesAreAskedPastTheProxy) {
  raw_origin metadata(in_turn({raw_answer("200 OK", "", "session-1"), raw_answer("200 OK", "", "proxied-role\n"),
                               raw_answer("200 OK", "", metadata_keys("ASIA9"))},
                              &asked_));
  seen_heads container;
  raw_origin service(in_turn({raw_answer("200 OK", "", metadata_keys("ASIA8"))}, &container));
  raw_origin server(in_turn({raw_answer("200 OK", "", "data")}, &stored_));
  auto settings = http::testing::test_settings();
  settings.proxy = "http://127.0.0.1:1"; // nobody there: what goes through it fails
  use(settings);
  set_.set("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.url("/"));
  EXPECT_TRUE(read(open(store(server, "&auth=instance")), "a").failed);
  EXPECT_EQ(asked_.size(), 3u);
  set_.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", service.url("/v1/credentials"));
  EXPECT_TRUE(read(open(store(server, "&auth=container")), "a").failed);
  EXPECT_EQ(container.size(), 1u);
  EXPECT_EQ(stored_.size(), 0u) << "the store itself is behind the proxy";
}

TEST_F(KeyServicesTest, TheMetadataServiceIsNotAskedUnlessChosen) {
  raw_origin metadata(in_turn({raw_answer("200 OK", "", "x")}, &asked_));
  raw_origin server(in_turn({raw_answer("200 OK", "", "data")}, &stored_));
  set_.set("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.url(""));
  const auto from = open(store(server, ""));
  EXPECT_EQ(read(from, "a").body, "data");
  EXPECT_EQ(asked_.size(), 0u);
  EXPECT_EQ(from->identify("a", "").scope, "anonymous");
  EXPECT_THAT(stored_.last(), Not(HasSubstr("uthorization")));
}

TEST_F(KeyServicesTest, AContainersKeysAreFoundInTheEnvironment) {
  raw_origin service(in_turn({raw_answer("200 OK", "", metadata_keys("ASIA2"))}, &asked_));
  raw_origin server(in_turn({raw_answer("200 OK", "", "data")}, &stored_));
  set_.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", service.url("/v1/credentials"));
  set_.set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", set_.file("pod-token\n"));
  const auto from = open(store(server, ""));
  EXPECT_EQ(read(from, "a").body, "data");
  EXPECT_THAT(asked_.last(), HasSubstr("GET /v1/credentials HTTP"));
  EXPECT_THAT(asked_.last(), HasSubstr("Authorization: pod-token\r\n"));
  EXPECT_THAT(stored_.last(), HasSubstr("x-amz-security-token: token-of-ASIA2"));
  EXPECT_THAT(from->identify("a", "").scope, HasSubstr("s3:container:"));
}

TEST_F(KeyServicesTest, AContainersTokenDoesNotGoInTheClearToForeignHosts) {
  set_.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://credentials.example.org/x");
  const auto made = make_source("s3://bucket?auth=container", testing::quick_settings());
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().kind, error_kind::invalid_input);
}

TEST_F(KeyServicesTest, AWebIdentityAssumesItsRole) {
  std::string body;
  raw_origin sts([&](testing::raw_connection& peer) {
    const std::string head = peer.read_head();
    asked_.add(head);
    const std::size_t at = head.find("Content-Length: ");
    body = peer.read_body(std::stoul(head.substr(at + 16)));
    peer.answer("200 OK", "",
                "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
                "<AccessKeyId>ASIA3</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t3</SessionToken>"
                "<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>"
                "</AssumeRoleWithWebIdentityResponse>");
  });
  raw_origin server(in_turn({raw_answer("200 OK", "", "data")}, &stored_));
  set_.set("AWS_ENDPOINT_URL_STS", sts.url(""));
  set_.set("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/reader");
  set_.set("AWS_WEB_IDENTITY_TOKEN_FILE", set_.file("a.b.c"));
  const auto from = open(store(server, "&auth=web-identity"));
  EXPECT_EQ(read(from, "a").body, "data");
  EXPECT_THAT(asked_.last(), HasSubstr("POST / HTTP"));
  EXPECT_EQ(body, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3A"
                  "role%2Freader&RoleSessionName=forebay&WebIdentityToken=a.b.c");
  EXPECT_THAT(stored_.last(), HasSubstr("x-amz-security-token: t3"));
}

TEST_F(KeyServicesTest, ARefusalIsAnErrorThatNamesNoSecret) {
  raw_origin sts(
      in_turn({raw_answer("403 Forbidden", "",
                          "<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized to perform "
                          "sts:AssumeRoleWithWebIdentity</Message></Error></ErrorResponse>")},
              &asked_));
  set_.set("AWS_ENDPOINT_URL_STS", sts.url("/refuses"));
  set_.set("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/other");
  set_.set("AWS_WEB_IDENTITY_TOKEN_FILE", set_.file("very.secret.token"));
  raw_origin server(in_turn({raw_answer("200 OK", "", "data")}, &stored_));
  const auto got = read(open(store(server, "&auth=web-identity")), "a");
  ASSERT_TRUE(got.failed);
  EXPECT_EQ(got.failed->kind, error_kind::unauthorised);
  EXPECT_THAT(got.failed->message(), HasSubstr("AccessDenied: Not authorized"));
  EXPECT_THAT(got.failed->message(), Not(HasSubstr("secret")));
  EXPECT_EQ(stored_.size(), 0u) << "the store is not asked anonymously instead";
}

// A token that expires while an object is read: the next range is asked for with a new one.
TEST_F(KeyServicesTest, StaleTokenMidTransfer) {
  raw_origin service(in_turn(
      {raw_answer("200 OK", "", metadata_keys("OLD")), raw_answer("200 OK", "", metadata_keys("NEW"))}, &asked_));
  const std::string part = "HTTP/1.1 206 Partial Content\r\nETag: \"e\"\r\nContent-Length: 2\r\nContent-Range: bytes ";
  raw_origin server(
      in_turn({part + "0-1/4\r\n\r\nda", raw_answer("400 Bad Request", "", "<Error><Code>ExpiredToken</Code></Error>"),
               part + "2-3/4\r\n\r\nta", raw_answer("400 Bad Request", "", "<Error><Code>ExpiredToken</Code></Error>")},
              &stored_));
  set_.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", service.url("/stale"));
  const auto from = open(store(server, "&auth=container"));
  read_request asked;
  asked.key = "k";
  asked.range = http::range_spec{0, 1};
  EXPECT_EQ(read(from, asked).body, "da");
  asked.range = http::range_spec{2, 3};
  asked.pin = {validator_kind::strong_etag, "\"e\""};
  EXPECT_EQ(read(from, asked).body, "ta");
  ASSERT_EQ(stored_.size(), 3u);
  EXPECT_THAT(stored_.all()[1], HasSubstr("token-of-OLD"));
  EXPECT_THAT(stored_.all()[2], HasSubstr("token-of-NEW"));
  const auto refused = read(from, asked);
  ASSERT_TRUE(refused.failed);
  EXPECT_EQ(refused.failed->kind, error_kind::unauthorised);
  EXPECT_EQ(stored_.size(), 4u) << "a store that refuses every token is not asked again and again";
  EXPECT_EQ(asked_.size(), 2u);
}

} // namespace
} // namespace forebay::origin::s3
