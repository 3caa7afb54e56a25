// Writes of the S3 listener, to a store that the test directs.
#include <gmock/gmock.h>

#include "front/s3/writes_scene.h"

namespace forebay::front::s3 {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::s3_store;
using testing::s3_writes;

constexpr const char* no_such_key = "<Error><Code>NoSuchKey</Code><Message>none</Message></Error>";

TEST_F(s3_writes, a_delete_is_acknowledged_only_by_the_stores_own_document) {
  ask("GET", "/box/a");
  store->reads.set([](auto& state) { state.version = 2; });
  store->write_status = 404;
  store->document = "<html>404 Not Found, nginx</html>";
  EXPECT_EQ(ask("DELETE", "/box/a").status, 503u);
  store->document = no_such_key;
  EXPECT_EQ(ask("DELETE", "/box/a").status, 204u);
  EXPECT_EQ(ask("GET", "/box/a").body, bytes(0, 1'000, 2)) << "what the store does not have is not held on to";
}

TEST_F(s3_writes, unknown_parameters_do_not_make_a_plain_write) {
  for (const char* target : {"/box/a?renameObject", "/box/a?encryption", "/box/a?tagging", "/box/a?acl",
                             "/box/a?versionId=1", "/box/a?x-amz-copy-source=b%2Fc"})
    EXPECT_EQ(ask("PUT", target).status, 501u) << target;
  EXPECT_EQ(ask("DELETE", "/box/a?tagging").status, 501u);
  EXPECT_EQ(ask("POST", "/box/a?restore").status, 501u);
  for (const char* target : {"/box/a?uploadId=1", "/box/a?partNumber=1", "/box/a?partNumber=1&uploadId="})
    EXPECT_EQ(ask("PUT", target).status, 400u) << target;
  EXPECT_EQ(ask("DELETE", "/box/a?uploadId=").status, 400u);
  EXPECT_THAT(store->writes, IsEmpty());
  EXPECT_EQ(ask("PUT", "/box/a?x-id=PutObject").status, 200u);
  EXPECT_THAT(store->writes, ElementsAre("PUT a"));
}

TEST_F(s3_writes, keys_that_lead_out_of_the_bucket_are_not_removed_or_copied) {
  const std::string list = "<Delete><Object><Key>../../victim</Key></Object><Object><Key>good</Key></Object></Delete>";
  const auto seen = ask("POST", "/box?delete", {}, list);
  EXPECT_EQ(seen.status, 200u);
  EXPECT_THAT(seen.body, HasSubstr("<Error><Key>../../victim</Key><Code>InvalidArgument</Code>"));
  EXPECT_THAT(seen.body, HasSubstr("<Deleted><Key>good</Key></Deleted>"));
  EXPECT_EQ(ask("PUT", "/box/a", {{"x-amz-copy-source", "/box/x/%2e%2e/%2e%2e/victim"}}).status, 400u);
  EXPECT_THAT(store->writes, ElementsAre("DELETE good"));
}

TEST_F(s3_writes, a_length_beyond_all_bounds_is_too_large) {
  payload = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
  for (const char* length : {"18446744073709551615", "9223372036854775807"}) {
    const auto seen = ask("PUT", "/box/a", {{"x-amz-decoded-content-length", length}}, "0\r\n\r\n");
    EXPECT_THAT(seen.body, HasSubstr("<Code>EntityTooLarge</Code>"));
  }
  EXPECT_THAT(store->writes, IsEmpty());
}

TEST_F(s3_writes, the_version_that_was_removed_is_forgotten) {
  EXPECT_EQ(ask("GET", "/box/a?versionId=abc").body, bytes(0, 1'000));
  store->reads.set([](auto& state) { state.missing = true; });
  store->write_status = 204;
  EXPECT_EQ(ask("DELETE", "/box/a?versionId=abc").status, 204u);
  EXPECT_EQ(ask("GET", "/box/a?versionId=abc").status, 404u);
}

TEST_F(s3_writes, a_write_is_seen_through_every_namespace_of_the_bucket) {
  const auto open = std::make_shared<s3_store>();
  open->scope = "anonymous";
  open->reads.set([](auto& state) { state.length_bytes = 1'000; });
  auto rw = std::make_shared<space::name_space>(), ro = std::make_shared<space::name_space>();
  rw->path = rw->label = "/rw";
  rw->bucket = "rw";
  rw->write = true;
  rw->origins = {store};
  ro->path = ro->label = "/ro";
  ro->bucket = "ro";
  ro->origins = {open};
  auto both = std::make_shared<web_settings>(*settings);
  both->spaces = std::make_shared<space::space_map>(std::vector<std::shared_ptr<const space::name_space>>{rw, ro},
                                                    space::open_store_policy{},
                                                    [](std::string_view) -> result<std::shared_ptr<origin::source>> {
                                                      return fail(error_kind::internal, "test", "no open stores here");
                                                    });
  settings = both;
  serve();
  EXPECT_EQ(ask("GET", "/ro/a").body, bytes(0, 1'000, 1));
  open->reads.set([](auto& state) { state.version = 2; });
  EXPECT_EQ(ask("GET", "/ro/a").body, bytes(0, 1'000, 1)); // fresh, as far as we know
  EXPECT_EQ(ask("PUT", "/rw/a", {}, "x").status, 200u);
  EXPECT_EQ(ask("GET", "/ro/a").body, bytes(0, 1'000, 2));
}

TEST_F(s3_writes, a_prefix_that_leads_out_of_the_namespace_is_no_prefix) {
  for (const char* target : {"/box?list-type=2&prefix=..%2F..%2Fsecret%2F", "/box?prefix=a%2F.%2F", "/box?marker=..",
                             "/box?list-type=2&start-after=a%2F..", "/box?list-type=2&prefix=a%00b",
                             "/box?list-type=2&continuation-token=6b2e2e2f78"}) // "k../x"
    EXPECT_THAT(ask("GET", target).body, HasSubstr("<Code>InvalidArgument</Code>")) << target;
}

TEST_F(s3_writes, one_closed_file_does_not_close_its_directory) {
  store->listed->entries = {{"closed", false, {}, {}, {}}, {"open", false, 5, {}, {}}};
  store->reads.set([](auto& state) { state.failing = error{error_kind::forbidden, "fake", "closed"}; });
  const auto seen = ask("GET", "/box?list-type=2");
  EXPECT_EQ(seen.status, 200u);
  EXPECT_THAT(seen.body, HasSubstr("<Key>open</Key>"));
  EXPECT_THAT(seen.body, Not(HasSubstr("<Key>closed</Key>")));
  store->listed->entries = {{"closed", false, {}, {}, {}}};
  EXPECT_EQ(ask("GET", "/box?list-type=2&prefix=closed").status, 403u) << "all of them closed is no empty directory";
}

} // namespace
} // namespace forebay::front::s3
