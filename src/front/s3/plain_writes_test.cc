// Writes of S3 clients to stores of other kinds.
#include <gmock/gmock.h>

#include "front/s3/writes_scene.h"

namespace forebay::front::s3 {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class plain_writes : public testing::s3_writes, public ::testing::WithParamInterface<const char*> {
protected:
  void SetUp() override {
    s3_writes::SetUp();
    store->kind = GetParam();
  }
  std::string kind() const { return GetParam(); }
};

TEST_P(plain_writes, an_object_is_put_whole_and_forgotten_here) {
  EXPECT_EQ(ask("GET", "/box/a").body, bytes(0, 1'000, 1));
  store->reads.set([](auto& state) { state.version = 2; });
  store->write_status = 201;
  store->write_answer_fields.add("ETag", "0123abcd"); // as Swift writes it
  store->write_answer_fields.add("x-amz-version-id", "7");
  const auto seen = ask("PUT", "/box/a", {{"Content-Type", "text/plain"}, {"x-amz-acl", "private"}}, "new");
  EXPECT_EQ(seen.status, 200u) << seen.body;
  EXPECT_EQ(seen.field("ETag"), "\"0123abcd\"");
  EXPECT_EQ(seen.field("x-amz-version-id"), "");
  EXPECT_THAT(store->writes, ElementsAre("PUT a"));
  EXPECT_EQ(store->written_fields.get("Content-Type"), "text/plain");
  store->written_fields.each(
      [](std::string_view name, std::string_view) { EXPECT_FALSE(to_lower(name).starts_with("x-amz-")) << name; });
  EXPECT_EQ(ask("GET", "/box/a").body, bytes(0, 1'000, 2));
}

TEST_P(plain_writes, a_store_that_gives_no_etag_is_not_spoken_for) {
  EXPECT_EQ(ask("PUT", "/box/a", {}, "new").field("ETag"), "");
}

TEST_P(plain_writes, notes_are_kept_where_the_store_keeps_any) {
  EXPECT_EQ(ask("PUT", "/box/a", {{"x-amz-meta-mtime", "17"}, {"x-amz-meta-a-b", "18"}}, "new").status, 200u);
  std::vector<std::string> notes;
  store->written_fields.each([&](std::string_view name, std::string_view value) {
    if (name.find("-meta-") != std::string_view::npos) notes.push_back(to_lower(name) + "=" + std::string(value));
  });
  if (kind() == "gcs") {
    EXPECT_THAT(notes, UnorderedElementsAre("x-goog-meta-mtime=17", "x-goog-meta-a-b=18"));
  } else if (kind() == "swift") {
    EXPECT_THAT(notes, UnorderedElementsAre("x-object-meta-mtime=17", "x-object-meta-a-b=18"));
  } else if (kind() == "azure") {
    EXPECT_THAT(notes, ElementsAre("x-ms-meta-mtime=17")) << "names there are identifiers";
  } else {
    EXPECT_THAT(notes, IsEmpty());
  }
}

TEST_P(plain_writes, what_would_be_another_write_without_is_refused) {
  const std::string complete = "<CompleteMultipartUpload/>";
  for (const auto& [method, target] :
       std::vector<std::pair<const char*, const char*>>{{"POST", "/box/a?uploads"},
                                                        {"POST", "/box/a?uploadId=1"},
                                                        {"PUT", "/box/a?partNumber=1&uploadId=1"},
                                                        {"DELETE", "/box/a?uploadId=1"},
                                                        {"DELETE", "/box/a?versionId=1"},
                                                        {"GET", "/box?uploads"}}) {
    const auto seen = ask(method, target, {}, *method == 'P' ? complete : "");
    EXPECT_EQ(seen.status, 501u) << method << " " << target;
    EXPECT_THAT(seen.body, HasSubstr("NotImplemented"));
  }
  for (const auto& field : std::vector<std::pair<const char*, const char*>>{{"x-amz-copy-source", "box/b"},
                                                                            {"x-amz-acl", "public-read"},
                                                                            {"x-amz-tagging", "a=b"},
                                                                            {"x-amz-server-side-encryption", "AES256"}})
    EXPECT_EQ(ask("PUT", "/box/a", {field}, "new").status, 501u) << field.first;
  EXPECT_THAT(store->writes, IsEmpty());
}

TEST_P(plain_writes, a_condition_that_the_store_would_pass_over_is_refused) {
  EXPECT_EQ(ask("PUT", "/box/a", {{"If-None-Match", "*"}}, "new").status, 200u);
  const auto condition = kind() == "gcs" ? "x-goog-if-generation-match" : "If-None-Match";
  EXPECT_EQ(store->written_fields.get(condition), kind() == "gcs" ? "0" : "*");
  const bool checks = kind() != "gcs" && kind() != "swift";
  EXPECT_EQ(ask("PUT", "/box/a", {{"If-Match", "\"e\""}}, "new").status, checks ? 200u : 501u);
  store->write_failure = error{error_kind::changed, "store", "a condition does not hold", false, 0, {}}; // of a file
  EXPECT_EQ(ask("PUT", "/box/a", {{"If-None-Match", "*"}}, "new").status, 412u);
}

TEST_P(plain_writes, azures_word_for_a_condition_that_does_not_hold) {
  store->write_status = 409;
  store->document = "<Error><Code>BlobAlreadyExists</Code></Error>";
  EXPECT_EQ(ask("PUT", "/box/a", {{"If-None-Match", "*"}}, "new").status, 412u);
}

TEST_P(plain_writes, objects_are_removed_one_by_one_and_in_bulk) {
  store->write_status = 204;
  EXPECT_EQ(ask("DELETE", "/box/a").status, 204u);
  store->write_status = 404; // Swift and web servers say no more
  EXPECT_EQ(ask("DELETE", "/box/a").status, 204u);
  store->document = "<Error><Code>ContainerNotFound</Code></Error>";
  EXPECT_EQ(ask("DELETE", "/box/a").status, 404u);
  store->write_status = 403;
  EXPECT_EQ(ask("DELETE", "/box/a").status, 403u);
  store->write_status = 204;
  store->writes.clear();
  const auto many = ask("POST", "/box?delete", {},
                        "<Delete><Object><Key>a</Key></Object>"
                        "<Object><Key>b</Key><VersionId>1</VersionId></Object></Delete>");
  EXPECT_EQ(many.status, 200u);
  EXPECT_THAT(many.body, HasSubstr("<Deleted><Key>a</Key></Deleted><Error><Key>b</Key><Code>NotImplemented</Code>"));
  EXPECT_THAT(store->writes, ElementsAre("DELETE a"));
}

TEST_P(plain_writes, a_failure_is_no_success_and_no_redirect) {
  for (const unsigned status : {301u, 307u, 401u, 500u, 502u, 503u}) {
    store->write_status = status;
    EXPECT_EQ(ask("PUT", "/box/a", {}, "new").status, 503u) << status;
  }
  store->write_failure = error{error_kind::unsupported, "store", "it is read only", false, 0, {}}; // IPFS
  EXPECT_EQ(ask("PUT", "/box/a", {}, "new").status, 501u);
}

INSTANTIATE_TEST_SUITE_P(kinds, plain_writes, ::testing::Values("gcs", "azure", "swift", "web", "file"),
                         [](const auto& each) { return std::string(each.param); });

} // namespace
} // namespace forebay::front::s3
