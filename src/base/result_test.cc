#include "base/result.h"

#include <gtest/gtest.h>
#include <set>

namespace forebay {
namespace {

TEST(result, every_kind_has_a_name_of_its_own) {
  std::set<std::string_view> names;
  for (int kind = 0; kind <= static_cast<int>(error_kind::internal); ++kind) {
    names.insert(to_string(static_cast<error_kind>(kind)));
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(error_kind::internal) + 1);
  EXPECT_EQ(to_string(error_kind::not_found), "not_found");
}

TEST(result, message_names_source_context_and_kind) {
  EXPECT_EQ((error{error_kind::timeout, "origin x", "no first byte within 10s"}).message(),
            "origin x: no first byte within 10s (timeout)");
  EXPECT_EQ((error{error_kind::internal, "", "odd"}).message(), "odd (internal)");
}

TEST(result, fail_carries_everything) {
  const result<int> failed = fail(error_kind::throttled, "origin", "slow down", true);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().kind, error_kind::throttled);
  EXPECT_TRUE(failed.error().retryable);
  const result<> again = fail(failed.error());
  EXPECT_EQ(again.error().context, "slow down");
}

} // namespace
} // namespace forebay
