// Rules, scopes with paths, signed URLs: pure decisions.
#include "space/access_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "space/token/token_judge.h"

namespace forebay::space {
namespace {

using nlohmann::json;

TEST(access_rules, a_prefix_is_for_whole_segments) {
  EXPECT_TRUE(covers("", "anything/at all"));
  EXPECT_TRUE(covers("a", "a"));
  EXPECT_TRUE(covers("a", "a/"));
  EXPECT_TRUE(covers("a", "a/b"));
  EXPECT_TRUE(covers("a", "a//b"));
  EXPECT_FALSE(covers("a", "ab"));
  EXPECT_FALSE(covers("a", ""));
  EXPECT_FALSE(covers("a", "/a"));
  EXPECT_FALSE(covers("a/b", "a"));
  for (const auto& [path, normal] : std::vector<std::pair<const char*, const char*>>{{"/", ""},
                                                                                     {"", ""},
                                                                                     {"/a", "a"},
                                                                                     {"/a/", "a"},
                                                                                     {"//a//b/", "a/b"},
                                                                                     {"/a/./b", "a/b"},
                                                                                     {"/a/../b", "b"},
                                                                                     {"/../../a", "a"},
                                                                                     {"/a/..", ""},
                                                                                     {"/a/b/../../../c", "c"},
                                                                                     {"/a..b", "a..b"}})
    EXPECT_EQ(normal_prefix(path), normal) << path;
}

TEST(access_rules, networks_of_both_families_and_names_of_certificates) {
  access_rules rules;
  rules.networks = {*net::ip_network::parse("10.1.0.0/16"), *net::ip_network::parse("2001:db8::/32")};
  rules.certificates = {"*.hpc.example.org", "spiffe://lab/**"};
  const auto comes = [&](const char* text) { return admits_network(rules, *net::ip_address::parse(text)); };
  EXPECT_TRUE(comes("10.1.2.3"));
  EXPECT_TRUE(comes("::ffff:10.1.2.3"));
  EXPECT_TRUE(comes("2001:db8::1"));
  EXPECT_FALSE(comes("10.2.0.1"));
  EXPECT_FALSE(comes("2001:db9::1"));
  EXPECT_TRUE(admits_certificate(rules, {"other", "n1.hpc.example.org"}));
  EXPECT_TRUE(admits_certificate(rules, {"spiffe://lab/ns/x"}));
  EXPECT_FALSE(admits_certificate(rules, {"hpc.example.org", "n1.hpc.example.org.evil.org"}));
  EXPECT_FALSE(admits_certificate(rules, {}));
  EXPECT_FALSE(admits_certificate({}, {"n1.hpc.example.org"}));
}

verified_token token_with(json claims, std::string issuer = "lab") {
  return {std::move(issuer), {}, std::make_shared<const json>(std::move(claims)), {}};
}

TEST(access_rules, grants_read_claims_as_lists_and_as_words) {
  access_rules rules;
  rules.grants = {{"lab", "groups", {"climate"}, {{access_action::read | access_action::list, "era5"}}},
                  {"lab", "scope", {"data:write"}, {{static_cast<access_actions>(access_action::write), ""}}},
                  {"open", "", {}, {{static_cast<access_actions>(access_action::read), ""}}}};
  const auto may = [&](const verified_token& token, access_action what, const char* key) {
    return permits(rules, token, what, key);
  };
  const auto member = token_with({{"groups", {"ocean", "climate"}}});
  EXPECT_TRUE(may(member, access_action::read, "era5/x"));
  EXPECT_TRUE(may(member, access_action::list, "era5/"));
  EXPECT_FALSE(may(member, access_action::write, "era5/x"));
  EXPECT_FALSE(may(member, access_action::read, "era55/x"));
  EXPECT_FALSE(may(member, access_action::list, ""));
  EXPECT_TRUE(may(token_with({{"groups", "climate"}}), access_action::read, "era5/x"));
  EXPECT_FALSE(may(token_with({{"groups", "ocean climate"}}), access_action::read, "era5/x"))
      << "one name with a blank";
  for (const json& other : {json("climates"), json("Climate"), json(7), json{{"climate", true}}, json{{7, nullptr}}})
    EXPECT_FALSE(may(token_with({{"groups", other}}), access_action::read, "era5/x")) << other;
  EXPECT_TRUE(may(token_with({{"scope", "openid data:write"}}), access_action::write, "any"));
  EXPECT_FALSE(may(token_with({{"groups", {"climate"}}}, "other"), access_action::read, "era5/x"));
  EXPECT_TRUE(may(token_with({}, "open"), access_action::read, "era5/x"));
  EXPECT_FALSE(may(token_with({}, "open"), access_action::list, "era5/"));
}

TEST(token_rights, wlcg_scopes_are_paths) {
  const auto rights = [](const char* scope) {
    return rights_of(token_profile::wlcg, {{"wlcg.ver", "1.0"}, {"scope", scope}});
  };
  access_rules rules;
  rules.path_issuers = {"lab"};
  const auto may = [&](const char* scope, access_action what, const char* key) {
    auto token = token_with({});
    token.rights = *rights(scope);
    return permits(rules, token, what, key);
  };
  EXPECT_TRUE(may("openid storage.read:/a", access_action::read, "a"));
  EXPECT_TRUE(may("openid storage.read:/a", access_action::read, "a/b"));
  EXPECT_TRUE(may("storage.read:/a", access_action::list, "a/"));
  EXPECT_FALSE(may("storage.read:/a", access_action::read, "ab"));
  EXPECT_FALSE(may("storage.read:/a", access_action::write, "a/b"));
  EXPECT_TRUE(may("storage.read:/a/../b", access_action::read, "b/c"));
  EXPECT_FALSE(may("storage.read:/a/../b", access_action::read, "a/c"));
  EXPECT_TRUE(may("storage.read:/", access_action::read, "x"));
  EXPECT_TRUE(may("storage.stage:/x", access_action::read, "x"));
  EXPECT_TRUE(may("storage.modify:/a storage.read:/b", access_action::write, "a/b"));
  EXPECT_FALSE(may("storage.modify:/a storage.read:/b", access_action::read, "a/b"));
  for (const char* const nothing : {"", "storage.read", "storage.read:", "storage.read:a", "read:/", "storage.create:/",
                                    "storage.readx:/", "compute.read:/"})
    EXPECT_TRUE(rights(nothing)->empty()) << nothing;
  rules.path_issuers.clear();
  EXPECT_FALSE(may("storage.read:/", access_action::read, "x")) << "the namespace does not name the issuer";
  EXPECT_FALSE(rights_of(token_profile::wlcg, {{"scope", "storage.read:/"}}));
  EXPECT_FALSE(rights_of(token_profile::wlcg, {{"wlcg.ver", "2.0"}, {"scope", "storage.read:/"}}));
}

TEST(token_rights, scitokens_scopes_are_paths) {
  const auto count = [](json claims) {
    const auto rights = rights_of(token_profile::scitokens, claims);
    return rights ? static_cast<int>(rights->size()) : -1;
  };
  EXPECT_EQ(count({{"ver", "scitokens:2.0"}, {"scope", "read:/a write:/b"}}), 2);
  EXPECT_EQ(count({{"scope", "read:/a"}}), 1);
  EXPECT_EQ(count({{"scope", "storage.read:/a"}}), 0);
  EXPECT_EQ(count({{"ver", "other"}, {"scope", "read:/a"}}), -1);
  EXPECT_EQ(count({{"scope", {"read:/a"}}}), 0);
  EXPECT_TRUE(rights_of(token_profile::claims, {{"scope", "read:/a"}})->empty());
}

class signed_url : public ::testing::Test {
protected:
  /// Whether the request passes whose query is the signature's, changed.
  std::string verdict(std::string query, const std::string& path, const char* method = "GET",
                      const char* client = "192.0.2.1") {
    auto shown = take_signature(&query);
    if (!shown) return shown.error().context;
    if (!*shown) return "unsigned";
    const auto said = verify_signature(**shown, {method, path, query, *net::ip_address::parse(client), now}, keys);
    return said ? "" : said.error().context;
  }
  signed_terms terms(const char* path) {
    signed_terms made;
    made.method = "GET";
    made.path = path;
    made.expires = 1'700'000'060;
    return made;
  }
  const wall_time now = wall_time(std::chrono::seconds(1'700'000'000));
  std::vector<signing_key> keys{{"old", std::string(32, 'o')}, {"new", std::string(32, 'n')}};
  const std::string wrong = "it is not signed for this request by a key of this namespace";
};

TEST_F(signed_url, is_for_its_path_method_and_query) {
  const std::string query = *sign_query(terms("/d/a b"), keys[0]);
  EXPECT_EQ(verdict(query, "/d/a%20b"), "");
  EXPECT_EQ(verdict(query, "/d/%61%20b"), "") << "another spelling of the same path";
  EXPECT_EQ(verdict(query, "/d/a%20b", "HEAD"), "");
  EXPECT_EQ(verdict(query, "/d/a%20b", "PUT"), wrong);
  EXPECT_EQ(verdict(query, "/d/a%20c"), wrong);
  EXPECT_EQ(verdict(query, "/d/a%2520b"), wrong);
  EXPECT_EQ(verdict("x=1&" + query, "/d/a%20b"), wrong);
  auto with_query = terms("/d/x");
  with_query.query = "x=1&y";
  const std::string more = *sign_query(with_query, keys[1]);
  EXPECT_EQ(verdict(more, "/d/x"), "");
  EXPECT_EQ(verdict(more.substr(4), "/d/x"), wrong);
  std::string left = more;
  ASSERT_TRUE(take_signature(&left));
  EXPECT_EQ(left, "x=1&y");
}

TEST_F(signed_url, ends_and_dies_with_its_key) {
  auto brief = terms("/d/x");
  brief.expires = 1'700'000'000;
  EXPECT_EQ(verdict(*sign_query(brief, keys[0]), "/d/x"), "it has expired");
  brief.expires = ~0ull;
  EXPECT_EQ(verdict(*sign_query(brief, keys[0]), "/d/x"), "");
  const std::string query = *sign_query(terms("/d/x"), keys[0]);
  std::string longer = query;
  longer.replace(longer.find("1700000060"), 10, "1800000060");
  EXPECT_EQ(verdict(longer, "/d/x"), wrong);
  keys.erase(keys.begin());
  EXPECT_EQ(verdict(query, "/d/x"), wrong);
  keys.clear();
  EXPECT_EQ(verdict(query, "/d/x"), wrong);
}

TEST_F(signed_url, may_be_for_a_directory_and_for_a_network) {
  auto below = terms("/d/a%20b/");
  below.below = true;
  below.network = "192.0.2.0/24";
  const std::string query = *sign_query(below, keys[0]);
  EXPECT_EQ(verdict(query, "/d/a%20b/c/d"), "");
  EXPECT_EQ(verdict(query, "/d/a%20b"), "");
  EXPECT_EQ(verdict(query, "/d/a%20bc"), "it is for another directory");
  EXPECT_EQ(verdict(query, "/d"), "it is for another directory");
  EXPECT_EQ(verdict(query + "&acl", "/d/a%20b/c"), "it is for URLs without a query");
  EXPECT_EQ(verdict(query, "/d/a%20b/c", "GET", "198.51.100.1"), "it is for clients of another network");
  std::string other = query;
  other.replace(other.find("192.0.2.0"), 9, "0.0.0.0/0");
  EXPECT_EQ(verdict(other, "/d/a%20b/c"), wrong);
  auto exact = terms("/d/x");
  const std::string narrow = *sign_query(exact, keys[0]);
  EXPECT_EQ(verdict(narrow + "&forebay-below=/d", "/d/x"), wrong);
  below.query = "x";
  EXPECT_FALSE(sign_query(below, keys[0]));
}

TEST_F(signed_url, halves_and_repetitions_are_refused_and_never_passed_on) {
  const std::string query = *sign_query(terms("/d/x"), keys[0]);
  EXPECT_EQ(verdict("", "/d/x"), "unsigned");
  EXPECT_EQ(verdict("forebay=1&forebay-x=2", "/d/x"), "unsigned");
  const std::string half = "a signed URL has forebay-key, forebay-expires and forebay-signature, each once";
  for (const std::string& bad :
       {query + "&forebay-key=new", query + "&forebay%2Dsignature=x", std::string("forebay-signature=x"),
        std::string("forebay-key"), std::string("forebay-key=a&forebay-expires=x&forebay-signature=b"),
        std::string("forebay-key=a&forebay-expires=-1&forebay-signature=b"),
        std::string("forebay-key=%&forebay-expires=1&forebay-signature=b")})
    EXPECT_EQ(verdict(bad, "/d/x"), half) << bad;
  std::string spelt = query;
  spelt.replace(spelt.find("forebay-signature"), 17, "forebay%2Dsignature");
  EXPECT_EQ(verdict(spelt, "/d/x"), "");
}

} // namespace
} // namespace forebay::space
