// Attacks on namespaces that are not public: by place, by other names, by methods and fields that mean other objects.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "front/reader_admission.h"
#include "front/s3/s3_front.h"
#include "front/testing/front_scene.h"
#include "space/testing/token_maker.h"
#include "space/token/token_judge.h"

namespace forebay::front {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class private_attacks : public testing::front_scene {
protected:
  void SetUp() override {
    front_scene::SetUp();
    auto set = *space::key_set::parse(space::testing::key_set_of({maker.jwk()}));
    space::trusted_issuer lab;
    lab.name = "lab";
    lab.issuer = "https://lab";
    lab.algorithms = {space::jwt_algorithm::eddsa};
    lab.claims.audiences = {"me"};
    lab.keys = std::make_shared<space::issuer_keys>("lab", std::move(set), system_clock());
    judge = std::make_shared<space::token_judge>(std::vector{lab}, 100, system_clock());
  }
  std::string bearer(const char* group) {
    const auto now = std::chrono::duration_cast<std::chrono::seconds>(system_clock().wall().time_since_epoch());
    return "Bearer " +
           maker.token({{"iss", "https://lab"}, {"aud", "me"}, {"exp", now.count() + 3600}, {"groups", {group}}});
  }
  /// The network of the scene's client; writers below "a", masters everywhere.
  std::shared_ptr<const space::access_rules> rules_of(bool network) {
    space::access_rules rules;
    const unsigned all = space::access_action::read | space::access_action::list | 4u;
    if (network) rules.networks = {*net::ip_network::parse("192.0.2.0/24")};
    rules.tokens = judge;
    rules.grants = {{"lab", "groups", {"writers"}, {{all, "a"}}}, {"lab", "groups", {"masters"}, {{all, ""}}}};
    return std::make_shared<const space::access_rules>(std::move(rules));
  }
  void make_private(bool network, const std::function<void(space::name_space&)>& change = {}) {
    make_space([&](space::name_space& made) {
      made.is_public = false;
      made.bucket = "data";
      made.rules = rules_of(network);
      if (change) change(made);
    });
  }
  void make_messages(bool network) {
    make_private(network, [](space::name_space& made) {
      made.meaning = space::semantics::messages;
      made.write = true;
    });
  }
  /// A public namespace at `outer` with a private one at /data inside.
  void make_nested() {
    auto open = std::make_shared<space::name_space>();
    open->label = "/";
    open->bucket = "root";
    open->origins = {origin};
    auto closed = std::make_shared<space::name_space>();
    closed->path = closed->label = "/data";
    closed->bucket = "data";
    closed->is_public = false;
    closed->rules = rules_of(false);
    closed->origins = {origin};
    const auto none = [](std::string_view) -> result<std::shared_ptr<origin::source>> {
      return fail(error_kind::internal, "test", "no open stores here");
    };
    auto fresh = std::make_shared<web_settings>(*settings);
    fresh->spaces = std::make_shared<space::space_map>(
        std::vector<std::shared_ptr<const space::name_space>>{open, closed}, space::open_store_policy{}, none);
    settings = fresh;
    front->update(settings);
  }
  std::unique_ptr<s3::s3_front> s3_front() {
    auto made = std::make_shared<s3::s3_settings>();
    made->common = settings;
    return std::make_unique<s3::s3_front>(*cache, made, nullptr);
  }

  space::testing::key_maker maker{"EdDSA"};
  std::shared_ptr<space::token_judge> judge;
};

TEST_F(private_attacks, a_network_gives_no_right_to_write) {
  for (const auto meaning : {space::semantics::objects, space::semantics::messages}) {
    make_private(true, [&](space::name_space& made) {
      made.meaning = meaning;
      made.write = made.public_write = true;
    });
    EXPECT_EQ(ask("GET", "/data/a/x").status, meaning == space::semantics::objects ? 200u : 201u);
    origin->writes.clear();
    for (const char* method : {"PUT", "POST", "PATCH", "DELETE"})
      EXPECT_EQ(ask(method, "/data/a/x").status, 401u) << method;
    EXPECT_THAT(origin->writes, IsEmpty());
    const std::string token = bearer("writers");
    EXPECT_EQ(ask("PUT", "/data/a/x", {{"Authorization", token.c_str()}}).status, 201u);
  }
}

TEST_F(private_attacks, a_token_in_the_query_is_refused_before_a_network_lets_it_through) {
  make_private(true);
  EXPECT_EQ(ask("GET", "/data/x?access_token=abc").status, 400u);
  EXPECT_EQ(origin->reads.requests.load(), 0u);
}

TEST_F(private_attacks, pages_of_other_sites_read_nothing_that_a_network_lets_in) {
  for (const bool messages : {false, true}) {
    if (messages) origin->write_answer_fields.add("Access-Control-Allow-Origin", "*");
    messages ? make_messages(true) : make_private(true);
    const auto foreign = ask("GET", "/data/x", {{"Origin", "https://evil.example"}, {"Host", "node.example"}});
    EXPECT_EQ(foreign.status, 401u);
    for (const char* const page : {"", "http://node.example"}) {
      const auto own = *page == '\0' ? ask("GET", "/data/x", {{"Host", "node.example"}})
                                     : ask("GET", "/data/x", {{"Host", "node.example"}, {"Origin", page}});
      EXPECT_LT(own.status, 300u);
      EXPECT_FALSE(own.fields.has("access-control-allow-origin")) << "a browser would keep it for other pages";
      EXPECT_THAT(own.fields.joined("vary").value_or(""), HasSubstr("Origin"));
    }
  }
  make_private(true);
  const std::string token = bearer("masters");
  const auto shown = ask("GET", "/data/x", {{"Origin", "https://viewer.example"}, {"Authorization", token.c_str()}});
  EXPECT_EQ(shown.status, 200u) << "a page that shows a token of its own";
  EXPECT_EQ(shown.field("access-control-allow-origin"), "*");
  EXPECT_FALSE(ask(*s3_front(), "GET", "/data/x").fields.has("access-control-allow-origin"));
}

TEST_F(private_attacks, a_preflight_is_answered_before_a_token_can_be_shown) {
  make_messages(false);
  const auto answer = ask("OPTIONS", "/data/x", {{"Access-Control-Request-Method", "GET"}, {"Origin", "https://a"}});
  EXPECT_EQ(answer.status, 204u);
  EXPECT_EQ(answer.field("access-control-allow-origin"), "*");
  EXPECT_THAT(answer.field("access-control-allow-headers"), HasSubstr("Authorization"));
  EXPECT_THAT(origin->writes, IsEmpty());
  EXPECT_EQ(ask("OPTIONS", "/data/x").status, 401u) << "no preflight";
}

TEST_F(private_attacks, a_right_to_a_path_copies_and_moves_nothing_elsewhere) {
  make_messages(false);
  const std::string writer = bearer("writers"), master = bearer("masters");
  for (const std::string& token : {writer, master}) {
    for (const char* method : {"COPY", "MOVE", "LINK", "BIND", "ACL", "MERGE", "BREW"})
      EXPECT_EQ(ask(method, "/data/a/x", {{"Authorization", token.c_str()}, {"Destination", "/b/y"}}).status, 403u);
    for (const char* name : {"Destination", "x-amz-copy-source", "X-Copy-From", "X-Object-Manifest",
                             "x-amz-rename-source", "x-ms-copy-source"})
      EXPECT_EQ(ask("PUT", "/data/a/x", {{"Authorization", token.c_str()}, {name, "/b/secret"}}).status, 403u) << name;
  }
  EXPECT_THAT(origin->writes, IsEmpty());
  for (const char* method : {"PUT", "MKCOL", "DELETE"})
    EXPECT_EQ(ask(method, "/data/a/x", {{"Authorization", writer.c_str()}}).status, 201u) << method;
  EXPECT_EQ(ask("PUT", "/data/a/x",
                {{"Authorization", writer.c_str()}, {"Origin", "https://evil.example"}, {"Host", "node.example"}})
                .status,
            403u);
}

TEST_F(private_attacks, a_body_that_names_its_scope_wants_a_right_to_the_whole_namespace) {
  make_messages(false);
  const std::string writer = bearer("writers"), master = bearer("masters");
  for (const char* method : {"SEARCH", "REPORT", "QUERY"}) {
    EXPECT_EQ(ask(method, "/data/a/", {{"Authorization", writer.c_str()}}).status, 403u) << method;
    EXPECT_THAT(origin->writes, IsEmpty());
    EXPECT_EQ(ask(method, "/data/a/", {{"Authorization", master.c_str()}}).status, 201u) << method;
    origin->writes.clear();
  }
  EXPECT_EQ(ask("PROPFIND", "/data/a/", {{"Authorization", writer.c_str()}}).status, 201u);
  EXPECT_EQ(ask("PROPFIND", "/data/b/", {{"Authorization", writer.c_str()}}).status, 403u);
}

TEST_F(private_attacks, names_of_private_namespaces_are_told_to_nobody_else) {
  make_private(false);
  const auto told = [&] {
    return ask("GET", "/").body + ask("GET", "/", {{"Accept", "text/html"}}).body + ask("GET", "/elsewhere").body +
           ask("PROPFIND", "/", {{"Depth", "1"}}).body + ask(*s3_front(), "GET", "/").body;
  };
  EXPECT_THAT(told(), Not(HasSubstr("/data")));
  EXPECT_THAT(told(), Not(HasSubstr("<Name>data")));
  make_private(true);
  EXPECT_THAT(told(), HasSubstr("/data"));
  EXPECT_THAT(ask("GET", "/", {{"Origin", "https://evil.example"}, {"Host", "n"}}).body, Not(HasSubstr("/data")));
  make_space([](space::name_space&) {});
  EXPECT_THAT(told(), HasSubstr("/data"));
}

TEST_F(private_attacks, a_public_bucket_gives_no_keys_of_a_private_namespace_in_it) {
  make_nested();
  const auto s3 = s3_front();
  EXPECT_EQ(ask(*s3, "GET", "/root/x").status, 200u);
  for (const char* target : {"/root/data/x", "/root/data%2Fx", "/root//data/x", "/root/data/", "/root/;v/data/x"}) {
    for (const char* method : {"GET", "HEAD"}) EXPECT_EQ(ask(*s3, method, target).status, 403u) << target;
  }
  EXPECT_EQ(ask(*s3, "GET", "/root?list-type=2&prefix=data/").status, 403u);
  EXPECT_EQ(ask("GET", "//data/x").status, 403u);
  EXPECT_EQ(ask("GET", "/data/x").status, 401u);
  EXPECT_EQ(origin->reads.requests.load(), 1u);
}

TEST_F(private_attacks, listings_leave_out_private_namespaces_in_them) {
  make_nested();
  origin->listed->entries = {{"a", false, 1, {}, {}}, {"data/secret", false, 1, {}, {}}, {"data2", false, 1, {}, {}}};
  const auto s3 = s3_front();
  for (const char* target : {"/root?list-type=2", "/root", "/root?list-type=2&delimiter=e"}) {
    const auto listed = ask(*s3, "GET", target);
    EXPECT_EQ(listed.status, 200u);
    EXPECT_THAT(listed.body, HasSubstr("data2")) << target;
    EXPECT_THAT(listed.body, Not(HasSubstr("data/"))) << target;
  }
  const auto walked = ask("PROPFIND", "/", {{"Depth", "infinity"}});
  EXPECT_EQ(walked.status, 207u);
  EXPECT_THAT(walked.body, HasSubstr("/data2"));
  EXPECT_THAT(walked.body, Not(HasSubstr("/data/")));
  // A page that ends with what is left out tells no name of it, and where to go on.
  origin->listed->entries = {{"a", false, 1, {}, {}}, {"data/secret", false, 1, {}, {}}};
  origin->listed->next = "data/secret";
  const auto page = ask(*s3, "GET", "/root?max-keys=2&prefix=&encoding-type=url");
  EXPECT_THAT(page.body, HasSubstr("<NextMarker>data/%F4%8F%BF%BF</NextMarker>"));
  EXPECT_THAT(page.body, Not(HasSubstr("secret")));
}

} // namespace
} // namespace forebay::front
