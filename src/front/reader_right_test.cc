#include "front/reader_right.h"

#include <gtest/gtest.h>

#include "front/target.h"
#include "front/testing/front_scene.h"
#include "space/access.h"

namespace forebay::front {
namespace {

http::header_table shown(const char* value) {
  http::header_table fields;
  if (value != nullptr) fields.add("Authorization", value);
  return fields;
}

TEST(ReaderRight, OneBearerTokenIsShown) {
  EXPECT_EQ((*read_token(shown("Bearer abc.d-e_f~g+/==")))->secret(), "abc.d-e_f~g+/==");
  EXPECT_EQ((*read_token(shown("bearer   x")))->secret(), "x");
  EXPECT_EQ(*read_token(shown(nullptr)), nullptr);
  for (const char* other : {"Basic dTpw", "", "Bear", "AWS4-HMAC-SHA256 Credential=x"})
    EXPECT_EQ(read_token(shown(other)).error().kind, error_kind::unauthorised) << other;
  for (const char* none : {"Bearer", "Bearer ", "Bearer a b", "Bearer =", "Bearer a\"", "Bearer a, Bearer b"})
    EXPECT_EQ(read_token(shown(none)).error().kind, error_kind::invalid_input) << none;
}

TEST(ReaderRight, SharedCachesAreToldToKeepNothing) {
  EXPECT_EQ(as_private(""), "private");
  EXPECT_EQ(as_private("public, s-maxage=600, max-age=60"), "private, max-age=60");
  EXPECT_EQ(as_private("no-cache, must-revalidate, immutable"), "private, no-cache, must-revalidate, immutable");
  EXPECT_EQ(as_private("private=\"x\", no-store"), "private, no-store");
}

TEST(ReaderRight, SecretsInAQueryAreSeen) {
  for (const char* holds : {"access_token=x", "a=b&token=", "%74oken=x", "X-Amz-Signature=1", "authz"})
    EXPECT_TRUE(holds_secret(holds)) << holds;
  for (const char* none : {"", "a=b", "tokens=1", "a=token"}) EXPECT_FALSE(holds_secret(none)) << none;
}

class origin_decides : public testing::front_scene {
protected:
  void SetUp() override {
    front_scene::SetUp();
    table = std::make_shared<space::access_table>(space::access_limits{}, system_clock());
    make_space([this](space::name_space& made) {
      made.access = std::make_shared<space::origin_access>("/data", space::access_policy{}, origin, table);
    });
  }
  std::shared_ptr<space::access_table> table;
};

TEST_F(origin_decides, NothingOfItIsForOthers) {
  const auto answer = ask("GET", "/data/x", {{"Authorization", "Bearer t"}});
  EXPECT_EQ(answer.status, 200u);
  EXPECT_EQ(answer.field("cache-control"), "private, max-age=60");
  EXPECT_EQ(answer.field("vary"), "Authorization");
  EXPECT_EQ(ask("GET", "/data/x").field("cache-control"), "max-age=60"); // everybody may
}

TEST_F(origin_decides, WithoutTheOriginsWordNobodyIsLetIn) {
  EXPECT_EQ(ask("GET", "/data/x", {{"Authorization", "Bearer t"}}).status, 200u);
  origin->reads.set([](auto& state) { state.failing = error{error_kind::unreachable, "fake", "away", true}; });
  EXPECT_EQ(ask("GET", "/data/x", {{"Authorization", "Bearer t"}}).status, 200u); // remembered
  EXPECT_EQ(ask("GET", "/data/x", {{"Authorization", "Bearer u"}}).status, 502u);
}

TEST_F(origin_decides, AQueryWithATokenIsRefused) {
  EXPECT_EQ(ask("GET", "/data/x?access_token=t").status, 400u);
  EXPECT_EQ(origin->reads.requests, 0u);
}

} // namespace
} // namespace forebay::front
