#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "origin/swift/container_listing.h"
#include "origin/swift/session.h"
#include "origin/testing/source_fixture.h"

namespace forebay::origin::swift {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::raw_answer;
using testing::raw_connection;
using testing::raw_origin;
using testing::seen_heads;

source_settings with_user(const std::string& password = "pw") {
  auto settings = testing::quick_settings();
  credential_entry entry;
  entry.name = "lab";
  entry.username = "lab:owner";
  entry.password = password;
  settings.credentials.push_back(entry);
  return settings;
}

/// A store with its token service, which counts its tokens: "token-1", "token-2" ...
class SwiftTest : public testing::source_test {
protected:
  using answer = std::function<std::string(const std::string& head)>;

  void serve(answer store) {
    store_ = std::move(store);
    server_ = std::make_unique<raw_origin>([this](raw_connection& peer) {
      for (std::string head = peer.read_head(); !head.empty(); head = peer.read_head()) {
        heads.add(head);
        if (!head.starts_with("GET /auth")) {
          peer.write(store_(head));
          continue;
        }
        const std::string token = "token-" + std::to_string(++tokens);
        peer.write(raw_answer("200 OK",
                              "X-Auth-Token: " + token + "\r\nX-Storage-Url: " + server_->url("/v1/AUTH_lab/") +
                                  "\r\nX-Auth-Token-Expires: 3600\r\n",
                              ""));
      }
    });
  }
  std::string private_url() const {
    return "swift://box/pre%20fix?auth_url=" + server_->url("/auth/v1.0") + "&credentials=lab";
  }
  std::string public_url() const { return "swift://box?storage_url=" + server_->url("/v1/AUTH_lab"); }

  seen_heads heads;
  std::atomic<int> tokens{0};
  answer store_;
  std::unique_ptr<raw_origin> server_;
};

TEST_F(SwiftTest, SignsInAndReads) {
  serve([](const std::string&) { return raw_answer("200 OK", "Etag: 0123456789abcdef0123456789abcdef\r\n", "data"); });
  const auto from = open(private_url(), with_user());
  const auto got = read(from, "a b");
  ASSERT_TRUE(got.answer) << got.failed->message();
  EXPECT_EQ(got.body, "data");
  EXPECT_EQ(got.answer->pinned, (validator{validator_kind::strong_etag, "\"0123456789abcdef0123456789abcdef\""}));
  ASSERT_EQ(heads.size(), 2u);
  EXPECT_THAT(heads.all()[0], HasSubstr("X-Auth-Key: pw"));
  EXPECT_THAT(heads.all()[1], HasSubstr("GET /v1/AUTH_lab/box/pre%20fix/a%20b HTTP"));
  EXPECT_THAT(heads.all()[1], HasSubstr("X-Auth-Token: token-1"));
  EXPECT_THAT(heads.all()[1], Not(HasSubstr("X-Auth-Key")));
  read(open(private_url(), with_user()), "a b");
  EXPECT_EQ(tokens, 1); // shared by sources of the same user
  EXPECT_THAT(from->name(), Not(HasSubstr("pw")));
  EXPECT_NE(from->identify("k", "").scope, "anonymous");
}

TEST_F(SwiftTest, ATokenThatIsRefusedIsRenewedOnce) {
  serve([](const std::string& head) {
    return head.find("token-2") != std::string::npos ? raw_answer("200 OK", "", "data")
                                                     : raw_answer("401 Unauthorized", "", "");
  });
  EXPECT_EQ(read(open(private_url(), with_user("other")), "k").body, "data");
  EXPECT_EQ(tokens, 2);
}

TEST_F(SwiftTest, AUserWhoMayNotReadIsNotAskedForTokensWithoutEnd) {
  serve([](const std::string&) { return raw_answer("401 Unauthorized", "", ""); });
  const auto from = open(private_url(), with_user("third"));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(read(from, "k").failed->kind, error_kind::unauthorised);
  EXPECT_EQ(tokens, 2);
}

TEST_F(SwiftTest, PublicContainersNeedNoToken) {
  serve([](const std::string&) { return raw_answer("404 Not Found", "", ""); });
  const auto from = open(public_url());
  EXPECT_EQ(read(from, "k").failed->kind, error_kind::not_found);
  EXPECT_EQ(tokens, 0);
  EXPECT_THAT(heads.last(), HasSubstr("GET /v1/AUTH_lab/box/k HTTP"));
  EXPECT_THAT(heads.last(), Not(HasSubstr("X-Auth-Token")));
  EXPECT_EQ(from->identify("k", "").scope, "anonymous");
}

TEST_F(SwiftTest, ARateLimitIsThrottling) {
  serve([](const std::string&) { return raw_answer("498 Rate Limited", "Retry-After: 3600\r\n", ""); });
  const auto got = read(open(public_url()), "k");
  ASSERT_TRUE(got.failed);
  EXPECT_EQ(got.failed->kind, error_kind::throttled);
  EXPECT_EQ(got.failed->retry_after, std::chrono::seconds(3600));
}

TEST_F(SwiftTest, ADynamicLargeObjectWithoutATagPinsNothing) {
  const std::string dates = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nLast-Modified: Sun, 06 Nov 1993 08:49:37 GMT\r\n";
  std::string more = "X-Object-Manifest: box/segments\r\n";
  serve([&](const std::string&) { return raw_answer("200 OK", dates + more, "data"); });
  EXPECT_FALSE(read(open(public_url()), "k").answer->pinned);
  more += "ETag: \"tags-of-segments\"\r\n";
  EXPECT_EQ(read(open(public_url()), "k").answer->pinned.kind, validator_kind::strong_etag);
}

TEST_F(SwiftTest, ListsPagesInOrder) {
  serve([](const std::string& head) {
    const bool second = head.find("&marker=pre%20fix%2Fb%2F") != std::string::npos;
    return raw_answer("200 OK", "",
                      second ? R"([{"name": "pre fix/c", "bytes": 2, "hash": "h"}])"
                             : R"([{"name": "pre fix/a", "bytes": 1, "hash": "x", "slo_etag": "\"s\"",
                                                  "last_modified": "2026-01-01T00:00:00.5"}, {"subdir": "pre fix/b/"}])");
  });
  list_request asked;
  asked.max_entries = 2;
  auto page = list(open(private_url(), with_user("fourth")), asked);
  ASSERT_TRUE(page) << page.error().message();
  ASSERT_EQ(page->entries.size(), 2u);
  EXPECT_EQ(page->entries[0].key, "a");
  EXPECT_EQ(page->entries[0].etag, "\"s\"");
  EXPECT_TRUE(page->entries[0].modified);
  EXPECT_EQ(page->entries[1].key, "b/");
  EXPECT_TRUE(page->entries[1].directory);
  EXPECT_THAT(heads.last(), HasSubstr("?format=json&limit=2&prefix=pre%20fix%2F&delimiter=%2F"));
  asked.continuation = page->next;
  page = list(open(private_url(), with_user("fourth")), asked);
  ASSERT_TRUE(page) << page.error().message();
  ASSERT_EQ(page->entries.size(), 1u);
  EXPECT_EQ(page->entries[0].key, "c");
  EXPECT_FALSE(page->truncated());
}

TEST(SwiftListing, RefusesWhatIsNoPage) {
  for (const char* bad : {"", "{}", "[1]", R"([{"bytes":1}])", R"([{"name":3}])", R"([{"subdir":null}])"}) {
    EXPECT_FALSE(parse_list_page(bad, "x")) << bad;
  }
}

// Keystone.

location keystone_location(const std::string& more = "") {
  return *parse_location("swift://box?auth_url=https://id.example.org/v3/&credentials=lab&project=climate" + more);
}

constexpr std::string_view keystone_answer = R"({"token": {"expires_at": "2099-01-01T00:00:00.000000Z", "catalog": [
  {"type": "compute", "endpoints": [{"interface": "public", "region_id": "north", "url": "https://nova"}]},
  {"type": "object-store", "endpoints": [
    {"interface": "internal", "region_id": "north", "url": "https://inside/v1/AUTH_p/"},
    {"interface": "public", "region_id": "north", "url": "https://north/v1/AUTH_p/"},
    {"interface": "public", "region": "south", "url": "https://south/v1/AUTH_p"}]}]}})";

TEST(SwiftKeystone, FindsTheStoreOfTheRegionAndInterface) {
  for (const auto& [more, url] :
       std::vector<std::pair<const char*, const char*>>{{"", "https://north/v1/AUTH_p"},
                                                        {"&region=south", "https://south/v1/AUTH_p"},
                                                        {"&interface=internal", "https://inside/v1/AUTH_p"}}) {
    const auto made = parse_keystone(keystone_answer, "t", keystone_location(more));
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(made->value.storage_url, url);
    EXPECT_EQ(made->value.token, "t");
    EXPECT_GT(*made->expires, system_clock().wall());
  }
  for (const char* more : {"&region=west", "&interface=admin"}) {
    EXPECT_EQ(parse_keystone(keystone_answer, "t", keystone_location(more)).error().kind, error_kind::broken);
  }
  EXPECT_FALSE(parse_keystone(keystone_answer, "", keystone_location()));
  for (const char* bad : {"", "[]", R"({"token": 3})", R"({"token": {"catalog": [3, {"type": "object-store"}]}})"}) {
    EXPECT_FALSE(parse_keystone(bad, "t", keystone_location())) << bad;
  }
}

TEST(SwiftKeystone, AsksAsTheApiSays) {
  credential_entry shown;
  shown.username = "me";
  shown.password = "p\"w";
  const auto asked = nlohmann::json::parse(keystone_request(keystone_location("&user_domain=people"), shown));
  const auto& identity = asked["auth"]["identity"];
  EXPECT_EQ(identity["methods"], nlohmann::json::array({"password"}));
  EXPECT_EQ(identity["password"]["user"]["password"], "p\"w");
  EXPECT_EQ(identity["password"]["user"]["domain"]["name"], "people");
  EXPECT_EQ(asked["auth"]["scope"]["project"]["name"], "climate");
  EXPECT_EQ(asked["auth"]["scope"]["project"]["domain"]["name"], "Default");
  const auto application = nlohmann::json::parse(keystone_request(keystone_location("&auth=application"), shown));
  EXPECT_EQ(application["auth"]["identity"]["application_credential"]["id"], "me");
  EXPECT_FALSE(application["auth"].contains("scope"));
}

TEST(SwiftLocation, SaysWhatIsMissing) {
  for (const auto& [url, words] : std::vector<std::pair<const char*, const char*>>{
           {"swift://box", "storage_url or auth_url"},
           {"swift://?storage_url=https://x", "container"},
           {"swift://box?storage_url=ftp://x", "storage_url is no http"},
           {"swift://box?auth_url=https://x/v3&credentials=a", "project"},
           {"swift://box?auth_url=https://x/auth/v1.0", "credentials"},
           {"swift://box?storage_url=https://x&auth=v1", "auth without auth_url"},
           {"swift://box?auth_url=https://x&credentials=a&auth=v2", "v1, v3 or application"},
           {"swift://box?auth_url=https://x&credentials=a&interface=x", "public, internal or admin"}}) {
    const auto made = parse_location(url);
    ASSERT_FALSE(made) << url;
    EXPECT_THAT(made.error().context, HasSubstr(words)) << url;
  }
  EXPECT_FALSE(make_source("swift://box?auth_url=https://x/auth/v1.0&credentials=none", with_user()));
}

} // namespace
} // namespace forebay::origin::swift
