#include "http/range_demand.h"

#include <gtest/gtest.h>

namespace forebay::http {
namespace {

TEST(range_demand, counts_members_whatever_their_spelling) {
  EXPECT_FALSE(names_too_many_ranges("bytes=0-0,2-2", 2));
  EXPECT_TRUE(names_too_many_ranges("bytes=0-0,2-2,4-4", 2));
  EXPECT_TRUE(names_too_many_ranges(" Bytes=x,y,z", 2));
  EXPECT_FALSE(names_too_many_ranges("lines=0-0,2-2,4-4", 2));
  EXPECT_FALSE(names_too_many_ranges("", 2));
}

TEST(range_demand, sees_what_is_asked_for_twice) {
  EXPECT_FALSE(names_overlapping_ranges("bytes=0-4"));
  EXPECT_FALSE(names_overlapping_ranges("bytes=0-4,5-9,20-"));
  EXPECT_FALSE(names_overlapping_ranges("bytes=0-4,-5"));
  EXPECT_TRUE(names_overlapping_ranges("bytes=0-4,4-9"));
  EXPECT_TRUE(names_overlapping_ranges("bytes=0-,0-"));
  EXPECT_TRUE(names_overlapping_ranges("bytes=7-,100-200"));
  EXPECT_TRUE(names_overlapping_ranges("bytes=-5,-6"));
  EXPECT_TRUE(names_overlapping_ranges("bytes=5-,-6"));
  EXPECT_FALSE(names_overlapping_ranges("bytes=5-2,0-,0-"));
}

} // namespace
} // namespace forebay::http
