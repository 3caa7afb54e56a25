#include "space/space.h"

#include <gmock/gmock.h>

#include <thread>

#include "space/path.h"

namespace forebay::space {
namespace {

using ::testing::HasSubstr;

/// A source that only has a name.
class named_source final : public origin::source {
public:
  explicit named_source(std::string url) : name_(std::move(url)) {}
  const std::string& name() const noexcept override { return name_; }
  origin::identity identify(const std::string& key, const std::string&) const override {
    return {"test", name_, "", key, "", ""};
  }
  net::task<result<origin::read_answer>> read(origin::read_request) override {
    co_return fail(error_kind::unsupported, name_, "");
  }
  net::task<result<origin::listing>> list(origin::list_request) override {
    co_return fail(error_kind::unsupported, name_, "");
  }
  net::task<result<origin::write_answer>> write(origin::write_request) override {
    co_return fail(error_kind::unsupported, name_, "");
  }

private:
  std::string name_;
};

result<std::shared_ptr<origin::source>> make_named(std::string_view url) {
  if (url.find("refuse") != std::string_view::npos) return fail(error_kind::invalid_input, std::string(url), "refused");
  return std::make_shared<named_source>(std::string(url));
}

std::shared_ptr<const name_space> at(std::string path) {
  auto made = std::make_shared<name_space>();
  made->path = std::move(path);
  made->label = made->path;
  return made;
}

open_store_policy everything() {
  open_store_policy open;
  open.s3 = open.gs = open.az = true;
  open.https_hosts = {"data.example.org", "*.science.example", "odd.example:8443"};
  open.http_hosts = {"plain.example"};
  return open;
}

struct expected {
  const char *path, *space, *key;
};

TEST(SpaceMap, TheLongestPathWins) {
  const space_map map({at("/era5"), at("/era5/land"), at("/a b"), at("/ünï")}, {}, make_named);
  for (const auto& [path, space, key] : std::vector<expected>{{"/era5", "/era5", ""},
                                                              {"/era5/", "/era5", ""},
                                                              {"/era5/x/y.nc", "/era5", "x/y.nc"},
                                                              {"/era5/land", "/era5/land", ""},
                                                              {"/era5/land/z", "/era5/land", "z"},
                                                              {"/era5/landscape/z", "/era5", "landscape/z"},
                                                              {"/era5//x", "/era5", "/x"},
                                                              {"/era5/x//y/", "/era5", "x//y/"},
                                                              {"/era5/a%20b+c%3D%25", "/era5", "a b+c=%"},
                                                              {"/era5/a%2Fb", "/era5", "a/b"},
                                                              {"/era5/%252e", "/era5", "%2e"},
                                                              {"/%65ra5/x", "/era5", "x"},
                                                              {"/a%20b/x", "/a b", "x"},
                                                              {"/%C3%BCn%C3%AF/x", "/ünï", "x"},
                                                              {"/era5/.zattrs", "/era5", ".zattrs"},
                                                              {"/era5/..x/x..", "/era5", "..x/x.."}}) {
    const auto found = map.resolve(path, "q=%2F");
    ASSERT_TRUE(found) << path << " " << found.error().message();
    EXPECT_EQ(found->space->path, space) << path;
    EXPECT_EQ(found->key, key) << path;
    EXPECT_EQ(found->query, "q=%2F");
  }
}

TEST(SpaceMap, TheRootTakesTheRest) {
  const space_map map({at(""), at("/era5")}, everything(), make_named);
  for (const auto& [path, space, key] : std::vector<expected>{{"/", "", ""},
                                                              {"/x", "", "x"},
                                                              {"/era", "", "era"},
                                                              {"/era5/x", "/era5", "x"},
                                                              {"//x", "", "/x"},
                                                              {"/s3/box/k", "", "s3/box/k"}}) {
    const auto found = map.resolve(path, "");
    ASSERT_TRUE(found) << path;
    EXPECT_EQ(found->space->path, space) << path;
    EXPECT_EQ(found->key, key) << path;
  }
}

TEST(SpaceMap, TricksAreRefused) {
  const space_map map({at("/era5")}, everything(), make_named);
  for (const char* path :
       {"", "era5", "/era5/%", "/era5/%2", "/era5/%zz", "/era5/a%00b", "/era5/.", "/era5/..", "/era5/../x",
        "/era5/%2e%2e/x", "/era5/.%2E/x", "/era5/a%2F..%2Fb", "/era5/%2e", "/..", "/./era5/x", "/s3/box/../c"}) {
    const auto found = map.resolve(path, "");
    ASSERT_FALSE(found) << path;
    EXPECT_EQ(found.error().kind, error_kind::invalid_input) << path;
  }
}

TEST(SpaceMap, UnknownPathsAreNotFound) {
  const space_map map({at("/era5")}, {}, make_named);
  for (const char* path : {"/", "/era", "/era55/x", "/era5x", "/unknown/x"}) {
    const auto found = map.resolve(path, "");
    ASSERT_FALSE(found) << path;
    EXPECT_EQ(found.error().kind, error_kind::not_found) << path;
  }
}

TEST(SpaceMap, OpenStores) {
  const space_map map({}, everything(), make_named);
  struct row {
    const char *path, *url, *key, *label;
  };
  for (const auto& [path, url, key, label] :
       std::vector<row>{{"/s3/era5-pds/2020/a%20b", "s3://era5-pds?anonymous=true", "2020/a b", "/s3"},
                        {"/s3/box//k", "s3://box?anonymous=true", "/k", "/s3"},
                        {"/s3/box", "s3://box?anonymous=true", "", "/s3"},
                        {"/gs/gcp-public/ar/x", "gs://gcp-public?anonymous=true", "ar/x", "/gs"},
                        {"/az/acc0unt/cont-1/x", "az://acc0unt/cont-1?anonymous=true", "x", "/az"},
                        {"/az/acc/$web/x", "az://acc/$web?anonymous=true", "x", "/az"},
                        {"/https/Data.Example.ORG/x/y", "https://data.example.org", "x/y", "/https"},
                        {"/https/data.example.org:443/x", "https://data.example.org", "x", "/https"},
                        {"/https/a.b.science.example/x", "https://a.b.science.example", "x", "/https"},
                        {"/https/odd.example:8443/x", "https://odd.example:8443", "x", "/https"},
                        {"/http/plain.example/x", "http://plain.example", "x", "/http"}}) {
    const auto found = map.resolve(path, "");
    ASSERT_TRUE(found) << path << " " << found.error().message();
    EXPECT_EQ(found->space->origins.at(0)->name(), url) << path;
    EXPECT_EQ(found->key, key) << path;
    EXPECT_EQ(found->space->label, label);
    EXPECT_FALSE(found->space->write);
  }
}

TEST(SpaceMap, BucketsAreNamespacesAndPublicBuckets) {
  EXPECT_EQ(default_bucket("/era5"), "era5");
  EXPECT_EQ(default_bucket("/a/b"), "a-b");
  EXPECT_EQ(default_bucket(""), "root");
  auto named = std::make_shared<name_space>();
  named->path = "/a/b";
  named->bucket = "a-b";
  open_store_policy open = everything();
  open.s3_buckets = {"era5-*"};
  const space_map map({named, at("/nameless")}, open, make_named);
  const auto ours = map.in_bucket("a-b", "k/1");
  ASSERT_TRUE(ours);
  EXPECT_EQ(ours->space, named);
  EXPECT_EQ(ours->key, "k/1");
  const auto theirs = map.in_bucket("era5-land", "x");
  ASSERT_TRUE(theirs);
  EXPECT_EQ(theirs->space->origins.front()->name(), "s3://era5-land?anonymous=true");
  EXPECT_EQ(map.in_bucket("other-bucket", "x").error().kind, error_kind::forbidden);
  EXPECT_EQ(map.in_bucket("No", "x").error().kind, error_kind::not_found);
  EXPECT_EQ(map.in_bucket("", "x").error().kind, error_kind::not_found);
  const space_map closed({named}, {}, make_named);
  EXPECT_EQ(closed.in_bucket("era5-land", "x").error().kind, error_kind::not_found);
}

TEST(SpaceMap, OpenStoresAreAllowListed) {
  open_store_policy open = everything();
  open.s3_buckets = {"era5-*", "one"};
  open.az_accounts = {"good"};
  const space_map map({}, open, make_named);
  EXPECT_TRUE(map.resolve("/s3/era5-land/x", ""));
  EXPECT_TRUE(map.resolve("/s3/one/x", ""));
  for (const char* path :
       {"/s3/two/x", "/az/bad/c/x", "/https/example.org/x", "/https/science.example/x", "/https/evilscience.example/x",
        "/https/data.example.org.evil/x", "/https/data.example.org:8443/x", "/https/odd.example/x",
        "/http/data.example.org/x", "/https/127.0.0.1/x"}) {
    const auto found = map.resolve(path, "");
    ASSERT_FALSE(found) << path;
    EXPECT_EQ(found.error().kind, error_kind::forbidden) << path;
  }
  const space_map closed({}, {}, make_named);
  for (const char* path : {"/s3/box/x", "/gs/b/x", "/az/a/c/x", "/https/h/x", "/http/h/x"}) {
    EXPECT_EQ(closed.resolve(path, "").error().kind, error_kind::forbidden) << path;
  }
}

TEST(SpaceMap, NamesThatWouldChangeAUrlAreRefused) {
  const space_map map({}, everything(), make_named);
  for (const char* path :
       {"/s3/box%3Fendpoint=http:%2F%2Fx/k", "/s3/box%23/k", "/s3/", "/s3//k", "/gs/b%3Fx/k", "/az/a.b/c/k",
        "/az/a%40b/c/k", "/https/a%40b/k", "/https/h%3F/k", "/https//k", "/https/h%20/k"}) {
    const auto found = map.resolve(path, "");
    ASSERT_FALSE(found) << path;
    EXPECT_EQ(found.error().kind, error_kind::invalid_input) << path;
  }
}

TEST(SpaceMap, NamesThatNoStoreCanHaveAreRefusedBeforeDnsIsAsked) {
  open_store_policy open = everything();
  open.https_hosts = {"*"};
  open.addresses.allowed = {*net::ip_network::parse("192.0.2.0/24"), *net::ip_network::parse("2001:db8::/32")};
  int made = 0;
  const space_map map({}, open, [&made](std::string_view url) {
    ++made;
    return make_named(url);
  });
  for (const char* bucket : {"Bad_Bucket!", "Bucket", "a_b", "ab", "-ab", "ab-", "a..b", "192.0.2.1"}) {
    const auto found = map.resolve(std::string("/s3/") + bucket + "/x", "");
    ASSERT_FALSE(found) << bucket;
    EXPECT_EQ(found.error().kind, error_kind::invalid_input) << bucket;
    EXPECT_THAT(found.error().context, HasSubstr("expected a bucket's name: 3 to 63 lower-case letters")) << bucket;
    EXPECT_THAT(found.error().context, HasSubstr(bucket));
  }
  EXPECT_FALSE(map.resolve("/s3/" + std::string(64, 'a') + "/x", ""));
  for (const char* host : {"bad!host", "a..b", "-a.org", "a-.org", ".org", "x.org:", "x.org:0", "x.org:70000",
                           "x.org:a", "[zz]", "[::1", "[::1]x", "::1"}) {
    const auto found = map.resolve(std::string("/https/") + host + "/x", "");
    ASSERT_FALSE(found) << host;
    EXPECT_EQ(found.error().kind, error_kind::invalid_input) << host;
    EXPECT_THAT(found.error().context, HasSubstr("expected a host such as data.example.org")) << host;
  }
  EXPECT_FALSE(map.resolve("/https/" + std::string(64, 'a') + ".org/x", ""));
  EXPECT_EQ(made, 0);
  for (const char* host : {"a_b.example.org", "x.org.", "192.0.2.1", "[2001:db8::1]", "[2001:db8::1]:443"})
    EXPECT_TRUE(map.resolve(std::string("/https/") + host + "/x", "")) << host;
}

TEST(SpaceMap, SourcesOfOpenStoresAreSharedAndBounded) {
  int made = 0;
  open_store_policy open = everything();
  open.freshness.ttl = std::chrono::seconds(7);
  const space_map map({}, open, [&made](std::string_view url) {
    ++made;
    return make_named(url);
  });
  const auto first = map.resolve("/s3/box/x", "");
  const auto second = map.resolve("/s3/box/y", "");
  EXPECT_EQ(first->space, second->space);
  EXPECT_EQ(first->space->freshness.ttl, std::chrono::seconds(7));
  EXPECT_EQ(made, 1);
  for (int i = 0; i < 1100; ++i) {
    ASSERT_TRUE(map.resolve("/s3/bucket-" + std::to_string(i) + "/x", ""));
    const bool again = i % 100 == 0; // used again and again: it stays
    ASSERT_TRUE(!again || map.resolve("/s3/box/x", ""));
  }
  EXPECT_EQ(made, 1101);
  EXPECT_EQ(map.resolve("/s3/box/z", "")->space, first->space);
  EXPECT_EQ(made, 1101);
  ASSERT_TRUE(map.resolve("/s3/bucket-0/x", ""));
  EXPECT_EQ(made, 1102) << "the one not used for longest was let go";
  EXPECT_EQ(map.resolve("/s3/refuse/x", "").error().kind, error_kind::invalid_input);
}

TEST(SpaceMap, IsThreadSafe) {
  const space_map map({}, everything(), make_named);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&map] {
      for (int i = 0; i < 3000; ++i) {
        const auto found = map.resolve("/s3/box" + std::to_string(i % 1500) + "/x", "");
        ASSERT_TRUE(found);
        ASSERT_EQ(found->key, "x");
      }
    });
  }
  for (auto& each : threads) each.join();
}

TEST(SpaceMap, DescribesItself) {
  open_store_policy open;
  open.s3 = true;
  const space_map map({at("/b"), at("/a")}, open, make_named);
  EXPECT_EQ(map.describe(), "This node serves /a/, /b/, /s3/{bucket}/{key}.");
  EXPECT_EQ(space_map({}, {}, make_named).describe(), "This node serves no namespace.");
}

TEST(Hosts, AreMatched) {
  EXPECT_TRUE(host_allowed({"*"}, "any.example"));
  EXPECT_TRUE(host_allowed({"*"}, "[2001:db8::1]"));
  EXPECT_FALSE(host_allowed({"*"}, "any.example:8080")) << "a star opens no odd ports";
  EXPECT_FALSE(host_allowed({"*"}, "[2001:db8::1]:8080"));
  EXPECT_TRUE(host_allowed({"A.Example"}, "a.example"));
  EXPECT_FALSE(host_allowed({"*.example"}, "example"));
  EXPECT_FALSE(host_allowed({}, "x"));
}

} // namespace
} // namespace forebay::space
