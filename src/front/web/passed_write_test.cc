// Writes of the data listener: whose they are, and what of them the origin sees.
#include "front/web/passed_write.h"

#include <gmock/gmock.h>

#include "front/testing/front_scene.h"

namespace forebay::front {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::scene_origin;
using testing::seen_answer;

/// A store to which the node shows credentials.
class private_origin final : public scene_origin {
public:
  origin::identity identify(const std::string& key, const std::string&) const override {
    return {"s3", "https://h:443", "bucket", key, "s3:0123", ""};
  }
};

class passed_writes : public testing::front_scene {
protected:
  void SetUp() override {
    front_scene::SetUp();
    make_space([](space::name_space& space) { space.write = true; });
  }
};

TEST_F(passed_writes, nobody_writes_with_the_nodes_credentials_unless_all_may) {
  origin = std::make_shared<private_origin>();
  make_space([](space::name_space& space) { space.write = true; });
  for (const char* method : {"PUT", "POST", "PATCH", "DELETE"}) {
    const auto seen = ask(method, "/data/x");
    EXPECT_EQ(seen.status, 403u) << method;
    EXPECT_THAT(seen.body, HasSubstr("public_write"));
  }
  EXPECT_THAT(origin->writes, IsEmpty());
  make_space([](space::name_space& space) { space.write = space.public_write = true; });
  EXPECT_EQ(ask("PUT", "/data/x", {{"Authorization", "Bearer reader"}}).status, 201u);
  EXPECT_FALSE(origin->written_fields.has("authorization"));
}

TEST_F(passed_writes, an_order_to_the_store_does_not_pass) {
  EXPECT_EQ(ask("PUT", "/data/x",
                {{"Content-Type", "a/b"},
                 {"x-amz-meta-note", "n"},
                 {"If-Match", "\"v\""},
                 {"CDN-Loop", "other"},
                 {"x-amz-acl", "public-read"},
                 {"x-amz-grant-full-control", "id=x"},
                 {"X-Object-Manifest", "other/secret"},
                 {"X-HTTP-Method-Override", "DELETE"},
                 {"Cookie", "a=b"},
                 {"X-Auth-Token", "t"}})
                .status,
            201u);
  for (const char* name : {"content-type", "x-amz-meta-note", "if-match", "cdn-loop"})
    EXPECT_TRUE(origin->written_fields.has(name)) << name;
  for (const char* name : {"x-amz-acl", "x-amz-grant-full-control", "x-object-manifest", "x-http-method-override",
                           "cookie", "x-auth-token"})
    EXPECT_FALSE(origin->written_fields.has(name)) << name;
}

TEST_F(passed_writes, a_copy_is_refused_and_not_sent_as_an_empty_object) {
  for (const char* name : {"x-amz-copy-source", "X-Amz-Copy-Source-Range", "x-ms-copy-source", "X-Copy-From",
                           "X-Copy-From-Account", "x-goog-copy-source"})
    EXPECT_EQ(ask("PUT", "/data/x", {{name, "/otherbucket/secret"}}).status, 501u) << name;
  EXPECT_THAT(origin->writes, IsEmpty());
}

TEST_F(passed_writes, the_bucket_itself_and_parameters_are_not_written) {
  for (const char* target : {"/data", "/data/"}) EXPECT_EQ(ask("DELETE", target).status, 400u) << target;
  for (const char* target : {"/data/x?acl", "/data/x?uploadId=1&partNumber=1"})
    EXPECT_EQ(ask("PUT", target).status, 501u) << target;
  EXPECT_EQ(ask("PUT", "/data?policy").status, 400u);
  EXPECT_THAT(origin->writes, IsEmpty());
}

TEST_F(passed_writes, pages_of_other_sites_do_not_write) {
  const auto preflight =
      ask("OPTIONS", "/data/x", {{"Origin", "https://evil.example"}, {"Access-Control-Request-Method", "PUT"}});
  EXPECT_EQ(preflight.field("access-control-allow-methods"), allowed_methods(false));
  EXPECT_EQ(preflight.field("allow"), allowed_methods(true));
  for (const char* page : {"https://evil.example", "null"}) {
    EXPECT_EQ(ask("PUT", "/data/x", {{"Origin", page}, {"Host", "near:8080"}}).status, 403u) << page;
  }
  EXPECT_THAT(origin->writes, IsEmpty());
  const auto own = ask("PUT", "/data/x", {{"Origin", "http://near:8080"}, {"Host", "near:8080"}});
  EXPECT_EQ(own.status, 201u);
  EXPECT_FALSE(own.fields.has("access-control-allow-origin"));
  EXPECT_EQ(ask("GET", "/data/x").field("access-control-allow-origin"), "*");
}

TEST_F(passed_writes, a_redirect_of_a_write_is_not_passed_on) {
  origin->write_status = 307;
  EXPECT_EQ(ask("PUT", "/data/x").status, 502u);
  http::response_head made;
  made.status = 201;
  made.fields.add("Location", "https://h/x?sig=SECRET");
  EXPECT_TRUE(check_written(made, "store"));
  EXPECT_FALSE(made.fields.has("location"));
}

TEST_F(passed_writes, what_the_origin_does_not_know_is_forgotten_here) {
  ask("GET", "/data/x");
  origin->reads.set([](auto& state) { state.version = 2; });
  origin->write_status = 404;
  EXPECT_EQ(ask("DELETE", "/data/x").status, 404u);
  EXPECT_EQ(ask("GET", "/data/x").body, bytes(0, 1000, 2));
}

} // namespace
} // namespace forebay::front
