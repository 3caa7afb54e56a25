// Who may read, in the configuration: what it comes to, and what goes together.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/config.h"
#include "app/config_access.h"
#include "app/exit_codes.h"
#include "app/sign_url.h"

namespace forebay::app {
namespace {

using ::testing::HasSubstr;

constexpr const char* lab = "[[issuers]]\nname = \"lab\"\nissuer = \"https://lab.org\"\naudiences = [\"me\"]\n";
constexpr const char* cms = "[[issuers]]\nname = \"cms\"\nissuer = \"https://cms.org\"\nprofile = \"wlcg\"\n";

/// A namespace at /d with these further lines; then these tables.
load_result<config> load_tables(const std::string& space, const std::string& tables = {}) {
  load_input input;
  input.file_name = "forebay.toml";
  input.file_text = "[[namespace]]\npath = \"/d\"\norigins = [\"https://a.org\"]\n" + space + tables;
  input.machine = {2, 8ull << 30, false, "host-1"};
  input.touch_files = false;
  return load(input);
}
std::string mistake_of(const std::string& space, const std::string& tables = {}) {
  const auto made = load_tables(space, tables);
  return made ? std::string() : made.error().front().message();
}
std::string grant(const std::string& lines = {}) {
  return "[[grants]]\nnamespace = \"/d\"\nissuer = \"lab\"\n" + lines;
}

TEST(config_access_rules, values_reach_the_rules) {
  const auto made =
      load_tables("[namespace.allow]\nnetworks = [\"10.0.0.0/8\"]\nissuers = [\"cms\"]\n"
                  "signing_keys = [\"b\"]\n",
                  std::string(lab) + cms + grant("claim = \"groups\"\nvalues = [\"g\"]\nprefixes = [\"/x/\"]\n") +
                      "[[signing_keys]]\nid = \"a\"\nkey = \"" + std::string(32, 'a') +
                      "\"\n[[signing_keys]]\nid = \"b\"\nkey = \"" + std::string(32, 'b') + "\"\n");
  ASSERT_TRUE(made) << made.error().front().message();
  const auto& space = made->namespaces.front();
  EXPECT_FALSE(space.is_public) << "rules say who may read";
  const auto judge = make_token_judge(*made);
  ASSERT_TRUE(judge);
  const auto rules = make_access_rules(*made, space, *judge);
  ASSERT_NE(rules, nullptr);
  EXPECT_EQ(rules->networks.size(), 1u);
  EXPECT_EQ(rules->path_issuers, std::vector<std::string>{"cms"});
  ASSERT_EQ(rules->signing_keys.size(), 1u);
  EXPECT_EQ(rules->signing_keys.front().secret, std::string(32, 'b'));
  ASSERT_EQ(rules->grants.size(), 1u);
  EXPECT_EQ(rules->grants.front().rights.front().prefix, "x");
  EXPECT_EQ(rules->grants.front().rights.front().actions, space::access_action::read | space::access_action::list);
  EXPECT_TRUE(rules->takes_tokens());
}

TEST(config_access_rules, without_rules_everything_is_as_it_was) {
  const auto open = load_tables("");
  EXPECT_TRUE(open->namespaces.front().is_public);
  EXPECT_EQ(make_access_rules(*open, open->namespaces.front(), nullptr), nullptr);
  EXPECT_EQ(*make_token_judge(*open), nullptr);
  EXPECT_FALSE(load_tables("public = false\n")->namespaces.front().is_public);
}

TEST(config_access_rules, an_empty_allow_does_not_open_the_doors) {
  for (const std::string& lines : {std::string("allow = {}\n"), std::string("[namespace.allow]\n"),
                                   std::string("allow.networks = []\n"), std::string("allow = { issuers = [] }\n")}) {
    const auto made = load_tables(lines);
    ASSERT_TRUE(made) << lines << made.error().front().message();
    EXPECT_FALSE(made->namespaces.front().is_public) << lines;
  }
  EXPECT_TRUE(load_tables("public = true\nallow = {}\n")->namespaces.front().is_public) << "that is said in words";
}

TEST(config_access_rules, a_reload_opens_nothing_that_nobody_speaks_of) {
  const auto closed = load_tables("allow = { networks = [\"10.0.0.0/8\"] }\n"), silent = load_tables("");
  const auto opened = check_opened(*closed, *silent);
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().context, HasSubstr("\"/d\" was not public"));
  EXPECT_TRUE(check_opened(*closed, *load_tables("public = true\n")));
  EXPECT_TRUE(check_opened(*closed, *load_tables("public = false\n")));
  EXPECT_TRUE(check_opened(*closed, *load_tables("access = \"origin\"\n"))) << "the origin decides";
  EXPECT_TRUE(check_opened(*silent, *silent));
  EXPECT_TRUE(check_opened(*silent, *closed));
}

TEST(config_access_rules, contradictions_of_namespaces) {
  const std::string networks = "[namespace.allow]\nnetworks = [\"10.0.0.0/8\"]\n";
  EXPECT_THAT(mistake_of("public = true\n" + networks), HasSubstr("public = false, or none of them"));
  EXPECT_THAT(mistake_of("public_write = true\nwrite = true\n" + networks), HasSubstr("say who may write there"));
  EXPECT_THAT(mistake_of("access = \"origin\"\n" + networks), HasSubstr("\"origin\" with allow or grants"));
  EXPECT_THAT(mistake_of("access = \"origin\"\nsemantics = \"http\"\n"), HasSubstr("semantics = \"objects\""));
  EXPECT_THAT(mistake_of("[namespace.allow]\nissuers = [\"x\"]\n"), HasSubstr("an entry of [[issuers]]"));
  EXPECT_THAT(mistake_of("[namespace.allow]\nissuers = [\"lab\"]\n", lab), HasSubstr("write [[grants]]"));
  EXPECT_THAT(mistake_of("[namespace.allow]\nsigning_keys = [\"x\"]\n"), HasSubstr("an entry of [[signing_keys]]"));
  EXPECT_THAT(mistake_of("[namespace.allow]\ncertificates = [\"x\"]\n"), HasSubstr("client_certificates"));
  EXPECT_THAT(mistake_of("[namespace.allow]\nnetworks = [\"10.0.0.0/40\"]\n"), HasSubstr("a network such as"));
  EXPECT_THAT(mistake_of("[namespace.allow]\nnetwork = [\"10.0.0.0/8\"]\n"), HasSubstr("namespace.allow.networks"));
}

TEST(config_access_rules, contradictions_of_issuers) {
  const auto issuer = [](const std::string& lines) { return mistake_of("", "[[issuers]]\nname = \"i\"\n" + lines); };
  const std::string good = "issuer = \"https://i.org\"\naudiences = [\"me\"]\n";
  EXPECT_EQ(issuer(good), "");
  EXPECT_EQ(issuer("issuer = \"http://127.0.0.1:80\"\naudiences = [\"me\"]\n"), "");
  EXPECT_THAT(issuer("issuer = \"http://i.org\"\naudiences = [\"me\"]\n"), HasSubstr("an https URL"));
  EXPECT_THAT(issuer("issuer = \"https://i.org\"\n"), HasSubstr("no audiences"));
  EXPECT_THAT(issuer(good + "profile = \"x\"\n"), HasSubstr("\"claims\", \"wlcg\" or \"scitokens\""));
  EXPECT_THAT(issuer(good + "algorithms = [\"HS256\"]\n"), HasSubstr("one of RS256"));
  EXPECT_THAT(issuer(good + "algorithms = [\"none\"]\n"), HasSubstr("one of RS256"));
  EXPECT_THAT(issuer(good + "algorithms = []\n"), HasSubstr("at least one"));
  EXPECT_THAT(issuer(good + "jwks_url = \"http://i.org/keys\"\n"), HasSubstr("an https URL"));
  EXPECT_THAT(issuer(good + "jwks_url = \"https://i.org/k\"\njwks_file = \"/k\"\n"), HasSubstr("one of them"));
  EXPECT_THAT(mistake_of("", std::string(lab) + lab), HasSubstr("twice"));
}

TEST(config_access_rules, contradictions_of_grants_and_signing_keys) {
  const auto granted = [](const std::string& lines) { return mistake_of("", lab + grant(lines)); };
  EXPECT_EQ(granted(""), "");
  EXPECT_THAT(granted("claim = \"groups\"\n"), HasSubstr("a claim without values"));
  EXPECT_THAT(granted("values = [\"g\"]\n"), HasSubstr("values without a claim"));
  EXPECT_THAT(granted("actions = [\"delete\"]\n"), HasSubstr("\"read\", \"list\" or \"write\""));
  EXPECT_THAT(granted("actions = [\"write\"]\n"), HasSubstr("write = true in the namespace"));
  EXPECT_THAT(mistake_of("", grant()), HasSubstr("an entry of [[issuers]]"));
  EXPECT_THAT(mistake_of("", std::string(lab) + "[[grants]]\nnamespace = \"/e\"\nissuer = \"lab\"\n"),
              HasSubstr("the path of a [[namespace]]"));
  EXPECT_THAT(mistake_of("", "[[signing_keys]]\nid = \"a\"\n"), HasSubstr("key or key_file"));
  const auto brief = mistake_of("", "[[signing_keys]]\nid = \"a\"\nkey = \"not-so-long-a-secret\"\n");
  EXPECT_THAT(brief, HasSubstr("at least 32 random bytes"));
  EXPECT_THAT(brief, ::testing::Not(HasSubstr("not-so-long")));
  EXPECT_THAT(mistake_of("", "[admin]\nclient_names = [\"x\"]\n"), HasSubstr("serves admin with tls"));
}

TEST(sign_url, says_what_is_wrong) {
  sign_options options;
  options.url = "/d/x";
  EXPECT_EQ(sign_url(options).exit_code, exit_usage);
  const std::string secret(32, 's');
  options.sets = {"signing_keys=[{id=\"a\", key=\"" + secret + "\"}, {id=\"b\", key=\"" + secret +
                      "\"}, {id=\"c\", key=\"" + secret + "\"}]",
                  "namespace=[{path=\"/d\", origins=[\"https://a.org\"], allow={signing_keys=[\"a\", \"b\"]}}]"};
  const fake_clock time;
  const auto made = sign_url(options, time);
  EXPECT_EQ(made.exit_code, exit_ok) << made.complaint;
  EXPECT_THAT(made.output, HasSubstr("/d/x?forebay-key=b&forebay-expires=1700003600&forebay-signature="));
  options.url = "https://node:8443/d/x?a=b";
  options.key_id = "a";
  EXPECT_THAT(sign_url(options, time).output, HasSubstr("https://node:8443/d/x?a=b&forebay-key=a&"));
  options.below = true;
  EXPECT_EQ(sign_url(options).exit_code, exit_usage);
  options.below = false;
  options.lifetime = "soon";
  EXPECT_EQ(sign_url(options).exit_code, exit_usage);
  options.lifetime = "1h";
  options.network = "home";
  EXPECT_EQ(sign_url(options).exit_code, exit_usage);
  options.network.clear();
  options.key_id = "c";
  EXPECT_THAT(sign_url(options).complaint, HasSubstr("takes no such key"));
  options.key_id = "a";
  options.url = "d/x";
  EXPECT_EQ(sign_url(options).exit_code, exit_usage);
  options.url = "/dd/x";
  EXPECT_THAT(sign_url(options).complaint, HasSubstr("no namespace of the configuration"));
  options.url = "/d/a b#part";
  options.method = "get";
  const std::string typed = sign_url(options, time).output;
  EXPECT_EQ(typed.find("/d/a%20b?forebay-key=a&"), 0u) << typed;
  options.url = "/d/a%20b";
  options.method = "GET";
  EXPECT_EQ(sign_url(options, time).output, typed);
}

} // namespace
} // namespace forebay::app
