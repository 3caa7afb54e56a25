// A store that fails at a write: the client gets a 5xx, never a success or a redirect, and the object is forgotten.
#include <gmock/gmock.h>

#include "front/s3/writes_scene.h"

namespace forebay::front::s3 {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct operation {
  const char* name;
  const char *method, *target;
  const char* copied; ///< x-amz-copy-source, or null
  const char* body;
  const char* document; ///< of a success
};
constexpr operation operations[] = {
    {"PutObject", "PUT", "/box/a", nullptr, "new bytes", ""},
    {"CopyObject", "PUT", "/box/a", "box/b", "", "<CopyObjectResult><ETag>\"c\"</ETag></CopyObjectResult>"},
    {"CompleteMultipartUpload", "POST", "/box/a?uploadId=7", nullptr,
     "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"p\"</ETag></Part></CompleteMultipartUpload>",
     "<CompleteMultipartUploadResult><Key>a</Key><ETag>\"c-1\"</ETag></CompleteMultipartUploadResult>"},
};

struct mishap {
  const char* name;
  unsigned status;    ///< of the store; 0: the connection is reset after the body
  bool breaks_off;    ///< in the middle of its document
  const char* answer; ///< its document; null: that of a success
};
constexpr const char* internal_error = "<Error><Code>InternalError</Code><Message>sorry</Message></Error>";
constexpr mishap mishaps[] = {
    {"InternalServerError", 500, false, internal_error},
    {"ServiceUnavailable", 503, false, ""},
    {"TemporaryRedirect", 307, false, ""},
    {"ResetAfterTheBody", 0, false, ""},
    {"BreaksOffItsDocument", 200, true, "<Complete"},
    {"BreaksOffBehindItsDocument", 200, true, nullptr},
    {"SaysErrorWith200", 200, false, internal_error},
    {"EndsWithoutADocument", 200, false, ""},
};

using failing_write = std::pair<operation, mishap>;

std::vector<failing_write> all_failing_writes() {
  std::vector<failing_write> all;
  for (const operation& what : operations) {
    for (const mishap& failure : mishaps) {
      const bool about_document = failure.status == 200;
      if (!about_document || *what.document != '\0') all.emplace_back(what, failure);
    }
  }
  return all;
}

class failing_writes : public testing::s3_writes, public ::testing::WithParamInterface<failing_write> {
protected:
  testing::seen_answer attempt(const operation& what) {
    if (what.copied == nullptr) return ask(what.method, what.target, {}, what.body);
    return ask(what.method, what.target, {{"x-amz-copy-source", what.copied}}, what.body);
  }
};

TEST_P(failing_writes, is_a_5xx_and_the_object_is_forgotten) {
  const auto& [what, failure] = GetParam();
  EXPECT_EQ(ask("GET", "/box/a").body, bytes(0, 1'000, 1));
  store->reads.set([](auto& state) { state.version = 2; });
  EXPECT_EQ(ask("GET", "/box/a").body, bytes(0, 1'000, 1)) << "held, and fresh as far as we know";

  store->write_status = failure.status;
  if (failure.status == 0)
    store->write_failure = error{error_kind::unreachable, "store", "connection reset", true, 0, {}};
  store->breaks_off = failure.breaks_off;
  store->document = failure.answer == nullptr ? what.document : failure.answer;
  store->write_answer_fields.add("Location", "https://elsewhere.example/a?X-Amz-Signature=secret");
  const auto seen = attempt(what);
  EXPECT_EQ(seen.status / 100, 5u) << seen.status << " " << seen.body;
  EXPECT_EQ(seen.field("Location"), "");
  EXPECT_THAT(seen.body, HasSubstr("<Error><Code>"));
  EXPECT_THAT(seen.body, Not(HasSubstr("elsewhere")));
  EXPECT_EQ(store->writes.size(), 1u) << "what changes things is sent once";
  EXPECT_EQ(ask("GET", "/box/a").body, bytes(0, 1'000, 2)) << "the store may have done it all the same";

  store->write_failure.reset();
  store->breaks_off = false;
  store->write_status = 200;
  store->document = what.document;
  EXPECT_EQ(attempt(what).status, 200u);
}

INSTANTIATE_TEST_SUITE_P(each, failing_writes, ::testing::ValuesIn(all_failing_writes()),
                         [](const auto& each) { return std::string(each.param.first.name) + each.param.second.name; });

} // namespace
} // namespace forebay::front::s3
