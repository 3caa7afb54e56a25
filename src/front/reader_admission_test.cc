// Namespaces that are not public: before the cache, hit or miss alike, and the same words for what is there and not.
#include "front/reader_admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "front/expiring_body.h"
#include "front/s3/s3_front.h"
#include "front/testing/front_scene.h"
#include "net/testing/waiting.h"
#include "space/testing/token_maker.h"
#include "space/token/token_judge.h"

namespace forebay::front {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class not_public : public testing::front_scene {
protected:
  void SetUp() override {
    front_scene::SetUp();
    auto set = *space::key_set::parse(space::testing::key_set_of({maker.jwk()}));
    space::trusted_issuer lab;
    lab.name = "lab";
    lab.issuer = "https://lab";
    lab.algorithms = {space::jwt_algorithm::eddsa};
    lab.claims.audiences = {"me"};
    lab.claims.leeway = std::chrono::seconds(0);
    lab.keys = std::make_shared<space::issuer_keys>("lab", std::move(set), system_clock());
    judge = std::make_shared<space::token_judge>(std::vector{lab}, 100, system_clock());
  }
  /// The namespace with these rules, which `change` may change further.
  void set_rules(space::access_rules rules, const std::function<void(space::name_space&)>& change = {}) {
    auto kept = std::make_shared<const space::access_rules>(std::move(rules));
    make_space([&](space::name_space& made) {
      made.is_public = false;
      made.rules = kept;
      if (change) change(made);
    });
  }
  space::access_rules token_rules() {
    space::access_rules rules;
    rules.tokens = judge;
    rules.grants = {{"lab", "groups", {"readers"}, {{space::access_action::read | space::access_action::list, "a"}}},
                    {"lab", "groups", {"writers"}, {{static_cast<unsigned>(space::access_action::write), "a"}}}};
    return rules;
  }
  std::string bearer(const char* group, std::int64_t seconds = 3600) {
    const auto now = std::chrono::duration_cast<std::chrono::seconds>(system_clock().wall().time_since_epoch());
    return "Bearer " +
           maker.token({{"iss", "https://lab"}, {"aud", "me"}, {"exp", now.count() + seconds}, {"groups", {group}}});
  }

  space::testing::key_maker maker{"EdDSA"};
  std::shared_ptr<space::token_judge> judge;
};

TEST_F(not_public, without_rules_nothing_lets_in) {
  make_space([](space::name_space& made) { made.is_public = false; });
  for (const char* const method : {"GET", "HEAD", "PROPFIND", "PUT", "DELETE"})
    EXPECT_EQ(ask(method, "/data/x").status, 403u) << method;
  EXPECT_EQ(origin->reads.requests.load(), 0u);
}

TEST_F(not_public, a_network_reads_and_what_it_gets_is_private) {
  origin->reads.set([](auto& state) { state.length_bytes = 1'000; });
  space::access_rules rules;
  rules.networks = {*net::ip_network::parse("192.0.2.0/24")};
  set_rules(rules);
  const auto answer = ask("GET", "/data/x");
  EXPECT_EQ(answer.status, 200u);
  EXPECT_EQ(answer.body, bytes(0, 1'000));
  EXPECT_THAT(answer.field("cache-control"), HasSubstr("private"));
  rules.networks = {*net::ip_network::parse("198.51.100.0/24")};
  set_rules(rules);
  const auto held = ask("GET", "/data/x"), absent = ask("GET", "/data/none");
  EXPECT_EQ(held.status, 403u) << "though its bytes are held";
  EXPECT_EQ(held.field("www-authenticate"), "") << "no token would help";
  EXPECT_EQ(absent.status, 403u);
}

TEST_F(not_public, a_token_reads_below_its_paths_alone) {
  set_rules(token_rules());
  const std::string token = bearer("readers");
  EXPECT_EQ(ask("GET", "/data/a/x", {{"Authorization", token.c_str()}}).body, bytes(0, 1'000));
  EXPECT_EQ(ask("HEAD", "/data/a/x", {{"Authorization", token.c_str()}}).status, 200u);
  for (const char* const path : {"/data/b", "/data/ab", "/data/", "/data/%61b", "/data//a/x"}) {
    const auto refused = ask("GET", path, {{"Authorization", token.c_str()}});
    EXPECT_EQ(refused.status, 403u) << path;
    EXPECT_THAT(refused.field("www-authenticate"), HasSubstr("error=\"insufficient_scope\""));
  }
  EXPECT_EQ(ask("GET", "/data/a/../b", {{"Authorization", token.c_str()}}).status, 400u);
  EXPECT_EQ(ask("PUT", "/data/a/x", {{"Authorization", token.c_str()}}).status, 403u);
}

TEST_F(not_public, refusals_say_what_helps_and_not_what_exists) {
  set_rules(token_rules());
  ask("GET", "/data/a/x", {{"Authorization", bearer("readers").c_str()}});
  for (const char* const path : {"/data/a/x", "/data/a/none", "/data/"}) {
    const auto none = ask("GET", path);
    EXPECT_EQ(none.status, 401u);
    EXPECT_EQ(none.field("www-authenticate"), "Bearer realm=\"forebay\"");
    const auto basic = ask("GET", path, {{"Authorization", "Basic dTpw"}});
    EXPECT_EQ(basic.status, 401u);
    const auto old = ask("GET", path, {{"Authorization", bearer("readers", -1).c_str()}});
    EXPECT_EQ(old.status, 401u);
    EXPECT_EQ(old.field("www-authenticate"),
              "Bearer realm=\"forebay\", error=\"invalid_token\", error_description=\"it has expired\"");
    const auto none_at_all = ask("GET", path, {{"Authorization", "Bearer a b"}});
    EXPECT_EQ(none_at_all.status, 400u);
    EXPECT_THAT(none_at_all.field("www-authenticate"), HasSubstr("error=\"invalid_request\""));
    EXPECT_THAT(none.body + basic.body + old.body, Not(HasSubstr("eyJ")));
  }
  EXPECT_EQ(ask("GET", "/data/a/x?access_token=abc").status, 400u);
}

TEST_F(not_public, a_token_that_gives_writing_writes_with_the_nodes_right) {
  set_rules(token_rules(), [](space::name_space& made) { made.write = true; });
  const std::string writer = bearer("writers");
  EXPECT_EQ(ask("PUT", "/data/a/x", {{"Authorization", writer.c_str()}}).status, 201u);
  EXPECT_FALSE(origin->written_fields.has("authorization"));
  EXPECT_EQ(ask("PUT", "/data/b", {{"Authorization", writer.c_str()}}).status, 403u);
  EXPECT_EQ(ask("GET", "/data/a/x", {{"Authorization", writer.c_str()}}).status, 403u);
  EXPECT_EQ(origin->writes, std::vector<std::string>{"PUT a/x"});
}

TEST_F(not_public, a_signed_url_reads_its_path_and_leaves_no_trace) {
  space::access_rules rules;
  rules.signing_keys = {{"k", std::string(32, 's')}};
  set_rules(rules);
  space::signed_terms terms;
  terms.method = "GET";
  terms.path = "/data/x";
  terms.expires = 4'000'000'000;
  const std::string query = *space::sign_query(terms, rules.signing_keys.front());
  EXPECT_EQ(ask("GET", "/data/x?" + query).body, bytes(0, 1'000));
  EXPECT_EQ(ask("GET", "/data/x?" + query).field("cache-status").find("forebay; hit"), 0u) << "one copy for all";
  EXPECT_EQ(ask("GET", "/data/y?" + query).status, 403u);
  EXPECT_EQ(ask("PUT", "/data/x?" + query).status, 403u);
  EXPECT_EQ(ask("GET", "/data/x?forebay-key=k").status, 400u);
  EXPECT_EQ(ask("GET", "/data/x").status, 403u);
  EXPECT_EQ(mask_target("/data/x?" + query).find(query.substr(query.rfind('=') + 1)), std::string::npos);
}

TEST_F(not_public, the_s3_listener_has_the_same_rules) {
  auto rules = token_rules();
  set_rules(rules, [](space::name_space& made) { made.bucket = "data"; });
  auto s3_settings = std::make_shared<s3::s3_settings>();
  s3_settings->common = settings;
  s3::s3_front s3(*cache, s3_settings, nullptr);
  const std::string token = bearer("readers");
  const auto open = ask(s3, "GET", "/data/a/x", {{"Authorization", token.c_str()}});
  EXPECT_EQ(open.status, 200u);
  EXPECT_THAT(open.field("cache-control"), HasSubstr("private"));
  for (const char* const target : {"/data/b", "/data?list-type=2", "/data?list-type=2&prefix=a", "/data?uploads"}) {
    const auto refused = ask(s3, "GET", target, {{"Authorization", token.c_str()}});
    EXPECT_EQ(refused.status, 403u) << target;
    EXPECT_THAT(refused.body, HasSubstr("<Code>AccessDenied</Code>"));
  }
  EXPECT_EQ(ask(s3, "GET", "/data?list-type=2&prefix=a/", {{"Authorization", token.c_str()}}).status, 200u);
  EXPECT_THAT(ask(s3, "GET", "/").body, Not(HasSubstr("<Name>data</Name>")));
  rules.networks = {*net::ip_network::parse("192.0.2.0/24")};
  set_rules(rules, [](space::name_space& made) { made.bucket = "data"; });
  s3_settings = std::make_shared<s3::s3_settings>();
  s3_settings->common = settings;
  s3.update(s3_settings);
  EXPECT_EQ(ask(s3, "GET", "/data/b").status, 200u);
  EXPECT_THAT(ask(s3, "GET", "/").body, HasSubstr("<Name>data</Name>"));
  EXPECT_EQ(ask(s3, "PUT", "/data/b").status, 403u) << "a network lets in to read and list";
}

TEST_F(not_public, a_listing_is_asked_for_as_its_directory) {
  set_rules(token_rules());
  origin::listing listed;
  listed.entries = {{"a/x", false, 1'000, {}, {}}};
  origin->listed = listed;
  const std::string token = bearer("readers");
  EXPECT_EQ(ask("PROPFIND", "/data/a/", {{"Authorization", token.c_str()}, {"Depth", "1"}}).status, 207u);
  EXPECT_EQ(ask("PROPFIND", "/data/", {{"Authorization", token.c_str()}, {"Depth", "1"}}).status, 403u);
  EXPECT_EQ(ask("PROPFIND", "/data/a/").status, 401u);
}

TEST_F(not_public, a_body_ends_with_its_token) {
  fake_clock time;
  expiring_body body(http::make_body("abcdef"), time.wall() + std::chrono::seconds(5), time);
  const auto next = [&] { return net::testing::outcome_of(loops->at(0), body.next(3)); };
  EXPECT_EQ(next()->bytes.size(), 3u);
  time.jump_wall(std::chrono::seconds(5));
  const auto late = next();
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().kind, error_kind::unauthorised);
}

} // namespace
} // namespace forebay::front
