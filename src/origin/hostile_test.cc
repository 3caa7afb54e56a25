// Stores and readers that mean harm, or are only unlike what we expect.
#include <gmock/gmock.h>

#include "base/text.h"
#include "origin/gcs/list_page.h"
#include "origin/json_text.h"
#include "origin/s3/endpoint.h"
#include "origin/swift/container_listing.h"
#include "origin/testing/source_fixture.h"
#include "origin/web/index_page.h"

namespace forebay::origin {
namespace {

using ::testing::HasSubstr;
using testing::in_turn;
using ::testing::Not;
using testing::quick_settings;
using testing::raw_answer;
using testing::raw_origin;
using testing::seen_heads;

class HostileTest : public testing::source_test {
protected:
  static source_settings with_keys() {
    auto settings = quick_settings();
    credential_entry entry;
    entry.name = "lab";
    entry.access_key_id = "AKID";
    entry.secret_access_key = "secret";
    entry.username = "me";
    entry.password = "pw";
    settings.credentials.push_back(entry);
    return settings;
  }
  seen_heads heads_;
};

// Identities.

TEST(Partitions, ABucketOfAnotherPartitionIsAnotherBucket) {
  const auto named = [](const char* url) { return (*make_source(url, quick_settings()))->identify("k", ""); };
  const auto here = named("s3://agency-data?anonymous=true");
  EXPECT_EQ(named("https://agency-data.s3.eu-west-1.amazonaws.com").canonical(), here.canonical());
  EXPECT_EQ(named("https://s3.us-east-1.amazonaws.com/agency-data").canonical(), here.canonical());
  const auto gov = named("https://agency-data.s3.us-gov-west-1.amazonaws.com");
  EXPECT_EQ(gov.canonical(), named("s3://agency-data?anonymous=true&region=us-gov-west-1").canonical());
  EXPECT_NE(gov.canonical(), here.canonical());
}

TEST(Partitions, WhatIsNoKnownPartitionIsAWebServer) {
  for (const char* url : {"https://b.s3.us-iso-east-1.amazonaws.com", "https://b.s3.us-newworld-west-1.amazonaws.com",
                          "https://b.s3.cn-north-1.amazonaws.com", "https://b.s3.accelerate.amazonaws.com",
                          "https://b.s3.us-east-1.amazonaws.com:8443"}) {
    EXPECT_EQ((*make_source(url, quick_settings()))->identify("k", "").kind, "web") << url;
  }
}

// JSON of foreign hosts.

TEST(JsonText, DeepNestingIsNoDocument) {
  const std::string deep(200'000, '[');
  EXPECT_TRUE(parse_json(deep).is_discarded());
  EXPECT_TRUE(parse_json(deep + std::string(deep.size(), ']')).is_discarded());
  EXPECT_FALSE(gcs::parse_list_page("{\"items\":[" + deep, "store"));
  EXPECT_FALSE(gcs::parse_list_page("{\"items\":[" + deep + std::string(deep.size(), ']') + "]}", "store"));
  EXPECT_FALSE(swift::parse_list_page(deep + std::string(deep.size(), ']'), "store"));
  const std::string brackets = R"({"name":")" + deep + R"(\"[{"})"; // in a text they nest nothing
  EXPECT_TRUE(parse_json(brackets).is_object());
  EXPECT_TRUE(parse_json(std::string(json_depth_max, '[') + std::string(json_depth_max, ']')).is_array());
}

// Index pages.

TEST(HostilePage, AnEntityIsNotLookedForInTheRestOfThePage) {
  // A link of ampersands was searched to its end for each of them; a link so long leads nowhere.
  std::string page = "<title>Index of /</title><a href=\"good&amp;.nc\">x</a>";
  for (int i = 0; i < 20; ++i) page += "<a href=\"" + std::string(80'000, '&') + "\">x</a>";
  const auto entries = web::parse_index_page(page, "http://h/");
  ASSERT_TRUE(entries);
  ASSERT_EQ(entries->size(), 1u);
  EXPECT_EQ(entries->front().key, "good&.nc");
}

TEST(HostilePage, EntitiesAreDecodedAndTheirLikesAreNot) {
  const auto entries = web::parse_index_page(
      "<title>Index of /</title><a href=\"a&#39;b&quot;c&apos;d&amp;amp;e&ampf&g;\">x</a>", "http://h/");
  ASSERT_TRUE(entries);
  ASSERT_EQ(entries->size(), 1u);
  EXPECT_EQ(entries->front().key, "a'b\"c'd&amp;e&ampf&g;");
}

// Keys that lead out of the prefix.

TEST_F(HostileTest, AListingDoesNotLeaveThePrefixOfAWebOrigin) {
  raw_origin server(in_turn({raw_answer("200 OK", "Content-Type: text/html\r\n", "<title>Index of</title>")}, &heads_));
  const auto from = open(server.url("/base/pub"));
  for (const std::string& prefix : std::vector<std::string>{"../../secret/", "a/../../x", "./x", "..", {"a\0b", 3}}) {
    list_request asked;
    asked.prefix = prefix + "/";
    const auto page = list(from, asked);
    ASSERT_FALSE(page) << prefix;
    EXPECT_EQ(page.error().kind, error_kind::invalid_input);
    EXPECT_TRUE(read(from, prefix).failed) << prefix;
    write_request put;
    put.method = "PUT";
    put.key = prefix;
    EXPECT_TRUE(write(from, std::move(put)).failed) << prefix;
  }
  EXPECT_EQ(server.connections(), 0u);
}

// Sessions and redirects.

TEST_F(HostileTest, TheSessionOfTheNodeIsNoReadersCookie) {
  raw_origin server(in_turn({raw_answer("200 OK", "Set-Cookie: JSESSIONID=secret\r\nETag: \"a\"\r\n", "data")}));
  const auto shown = read(open(server.url("/?credentials=lab"), with_keys()), "k");
  ASSERT_TRUE(shown.answer) << shown.failed->message();
  EXPECT_FALSE(shown.answer->fields.has("Set-Cookie"));
  EXPECT_TRUE(read(open(server.url("/")), "k").answer->fields.has("Set-Cookie")) << "it is the reader's own";
}

TEST_F(HostileTest, ARedirectOfAStoreDoesNotReachTheReader) {
  raw_origin server(
      in_turn({raw_answer("307 Temporary Redirect", "Location: http://10.9.8.7/x?sig=SECRETSIG\r\n", ""),
               raw_answer("301 Moved Permanently", "Location: http://10.9.8.7/x?sig=SECRETSIG\r\n", ""),
               raw_answer("300 Multiple Choices", "", "choose"), raw_answer("202 Accepted", "", "wait")}));
  const std::string endpoint = percent_encode(server.url(""));
  for (const std::string& url :
       {"swift://box?storage_url=" + server.url("/v1/AUTH_x"), "gs://bucket?anonymous=true&endpoint=" + endpoint,
        "az://account/box?anonymous=true&endpoint=" + endpoint, server.url("/w")}) {
    const auto got = read(open(url), "k");
    ASSERT_TRUE(got.failed) << url;
    EXPECT_EQ(got.failed->kind, error_kind::broken);
    EXPECT_THAT(got.failed->message(), Not(HasSubstr("SECRETSIG")));
  }
}

TEST_F(HostileTest, AWriteWithoutAKeyIsNotSentToTheBucket) {
  raw_origin server(in_turn({raw_answer("204 No Content", "", "")}, &heads_));
  const std::string endpoint = percent_encode(server.url(""));
  for (const std::string& url :
       {"swift://box?storage_url=" + server.url("/v1/AUTH_x"), "gs://bucket?anonymous=true&endpoint=" + endpoint,
        "az://account/box?anonymous=true&endpoint=" + endpoint, "s3://bucket?credentials=lab&endpoint=" + endpoint}) {
    for (const char* method : {"PUT", "DELETE", "POST"}) {
      write_request asked;
      asked.method = method;
      const auto got = write(open(url, with_keys()), std::move(asked));
      ASSERT_TRUE(got.failed) << url;
      EXPECT_EQ(got.failed->kind, error_kind::invalid_input);
    }
  }
  EXPECT_EQ(server.connections(), 0u);
}

TEST(HostileUrl, PasswordsOfEndpointsAreNotRepeated) {
  for (const char* url : {"s3://bkt?endpoint=https://u:secretpw@h.example", "gs://bkt?endpoint=https://u:secretpw@h",
                          "az://acc/box?endpoint=https://u:secretpw@h", "swift://c?storage_url=https://u:secretpw@h/v1",
                          "s3://bkt?regoin=x&endpoint=https://u:secretpw@h"}) {
    const auto made = make_source(url, quick_settings());
    ASSERT_FALSE(made) << url;
    EXPECT_THAT(made.error().message(), Not(HasSubstr("secretpw")));
  }
}

} // namespace
} // namespace forebay::origin
