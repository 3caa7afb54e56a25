// Attacks on namespaces that are not public by other names of their objects.
#include "space/guarded.h"

#include <gmock/gmock.h>

#include "space/testing/placed_source.h"

namespace forebay::space {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::placed_source;

std::shared_ptr<name_space> space_at(std::string path, std::string url, bool is_public) {
  auto made = std::make_shared<name_space>();
  made->path = std::move(path);
  made->bucket = default_bucket(made->path);
  made->is_public = is_public;
  made->origins = {std::make_shared<placed_source>(std::move(url))};
  return made;
}
result<std::shared_ptr<origin::source>> make_placed(std::string_view url) {
  return std::make_shared<placed_source>(std::string(url));
}
open_store_policy everything() {
  open_store_policy open;
  open.s3 = true;
  open.http_hosts = open.https_hosts = {"*", "h.example:8080"};
  return open;
}
error_kind outcome(const result<placement>& found) { return found ? error_kind::internal : found.error().kind; }
constexpr error_kind good = error_kind::internal; ///< of `outcome`, where there is no error

TEST(Guarded, OpenStoresGiveNoObjectsOfPrivateNamespaces) {
  const space_map map({space_at("/intra", "http://h.example/base", false), space_at("/pub", "http://p.example", true),
                       space_at("/box", "s3://box/part", false)},
                      everything(), make_placed);
  for (const char* path :
       {"/http/h.example/base/a", "/http/h.example/base", "/http/H.Example:80/base/a", "/http/h.example./base/a",
        "/https/h.example/base/a", "/http/h.example//base/a", "/http/h.example/base;v=1/a", "/http/h.example/%62ase/a",
        "/http/h.example/x/%5Cbase", "/s3/box/part/k", "/s3/box/part"}) {
    const bool other = std::string_view(path).ends_with("x/%5Cbase");
    EXPECT_EQ(outcome(map.resolve(path, "")), other ? good : error_kind::forbidden) << path;
    EXPECT_EQ(outcome(map.resolve(path, "v=1")), other ? good : error_kind::forbidden) << path;
  }
  for (const char* path : {"/http/h.example/", "/http/h.example/basement/a", "/http/h.example:8080/base/a",
                           "/http/p.example/base/a", "/s3/box/party/k", "/s3/box/", "/intra/a", "/pub/a"})
    EXPECT_EQ(outcome(map.resolve(path, "")), good) << path;
  EXPECT_EQ(outcome(map.in_bucket("intra", "a")), good) << "its own bucket asks its own rules";
}

TEST(Guarded, ABucketThatIsOpenToAllHoldsNoPrivateOnesKeys) {
  const space_map map({space_at("/box", "s3://box/part", false)}, everything(), make_placed);
  auto named = space_at("/box", "s3://box/part", false);
  named->bucket = "other";
  const space_map renamed({named}, everything(), make_placed);
  EXPECT_EQ(outcome(renamed.in_bucket("box", "part/k")), error_kind::forbidden);
  EXPECT_EQ(outcome(renamed.in_bucket("box", "k")), good);
  const auto open = renamed.in_bucket("box", "");
  ASSERT_TRUE(open);
  EXPECT_TRUE(renamed.hides(*open->space, "part/"));
  EXPECT_TRUE(renamed.hides(*open->space, "part/k"));
  EXPECT_FALSE(renamed.hides(*open->space, "party"));
}

TEST(Guarded, PublicBucketsGiveNoKeysOfPrivateNamespacesBelowThem) {
  const auto root = space_at("", "file:///files", true), priv = space_at("/a/priv", "file:///files/a/priv", false);
  const space_map map({root, priv, space_at("/a/priv/open", "file:///open", true)}, {}, make_placed);
  for (const char* key : {"a/priv/x", "a/priv", "a/priv/", "a//priv/x", "/a/priv/x", "a/;/priv/x", "a;b/priv;c/x",
                          "a\\priv/x", "a/priv/open/x", "x/..;/a/priv/y"})
    EXPECT_EQ(outcome(map.in_bucket("root", key)), error_kind::forbidden) << key;
  for (const char* key : {"", "a/", "a/private/x", "b", "priv/x"})
    EXPECT_EQ(outcome(map.in_bucket("root", key)), good) << key;
  EXPECT_TRUE(map.hides(*root, "a/priv/"));
  EXPECT_FALSE(map.hides(*root, "a/"));
  EXPECT_FALSE(map.hides(*priv, "x"));
}

TEST(Guarded, SlashesAndParametersLeadPastNoPrivateNamespace) {
  const space_map map(
      {space_at("/w", "http://h.example/w", true), space_at("/w/priv", "http://h.example/w/priv", false)}, {},
      make_placed);
  for (const char* path : {"/w//priv/x", "/w/;/priv/x", "/w/;a=b/priv/x", "/w///priv", "/w/%2Fpriv/x", "/w/priv;v/x",
                           "/w/%3B/priv/x", "/w/%5Cpriv/x"})
    EXPECT_EQ(outcome(map.resolve(path, "")), error_kind::forbidden) << path;
  for (const char* path : {"/w/priv/x", "/w//x", "/w/x;v=1", "/w/private"})
    EXPECT_EQ(outcome(map.resolve(path, "")), good) << path;
}

TEST(Guarded, AnAddressThatReadersMayNotNameIsRefusedBeforeAnythingIsLookedUp) {
  open_store_policy open = everything();
  open.addresses.allowed = {*net::ip_network::parse("127.0.0.3/32")};
  const space_map map({space_at("/pub", "http://127.0.0.2/base", true)}, open, make_placed);
  for (const char* path : {"/http/127.0.0.2/base/x", "/http/127.2/base/x", "/http/0x7f000002/x", "/https/[::1]/x",
                           "/http/[::ffff:10.0.0.1]/x"})
    EXPECT_EQ(outcome(map.resolve(path, "")), error_kind::forbidden) << path;
  EXPECT_EQ(outcome(map.resolve("/http/127.0.0.3/x", "")), good);
  EXPECT_EQ(outcome(map.resolve("/http/8.8.8.8/x", "")), good);
}

TEST(Guarded, AnOriginThatHoldsAPrivateOneIsTold) {
  const auto priv = space_at("/a/priv", "file:///files/priv", false);
  EXPECT_THAT(exposed_origins({space_at("/a", "file:///files", true), priv}), IsEmpty()) << "the longest path decides";
  EXPECT_THAT(exposed_origins({space_at("/b", "file:///files", true), priv}), ElementsAre(HasSubstr("\"/a/priv\"")));
  EXPECT_THAT(exposed_origins({space_at("/c", "file:///files/priv", true), priv}), ElementsAre(HasSubstr("\"/c/\"")));
  EXPECT_THAT(exposed_origins({space_at("/c", "file:///files/private", true), priv}), IsEmpty());
  EXPECT_THAT(exposed_origins({space_at("/c", "file:///files/priv", false), priv}), IsEmpty());
}

} // namespace
} // namespace forebay::space
