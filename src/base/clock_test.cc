#include "base/clock.h"

#include <gtest/gtest.h>

namespace forebay {
namespace {

using namespace std::chrono_literals;

TEST(clock, fake_moves_only_when_told) {
  fake_clock held;
  const auto steady = held.steady();
  const auto wall = held.wall();
  EXPECT_EQ(held.steady(), steady);
  held.advance(1500ms);
  EXPECT_EQ(held.steady() - steady, 1500ms);
  EXPECT_EQ(held.wall() - wall, 1500ms);
}

TEST(clock, wall_jumps_leave_steady_alone) {
  fake_clock held;
  const auto steady = held.steady();
  const auto wall = held.wall();
  held.jump_wall(-1h);
  EXPECT_EQ(held.steady(), steady);
  EXPECT_EQ(held.wall() - wall, -1h);
}

TEST(clock, system_clock_is_the_machines) {
  const auto before = std::chrono::steady_clock::now();
  const auto seen = system_clock().steady();
  EXPECT_GE(seen, before);
  EXPECT_LE(seen, std::chrono::steady_clock::now());
  EXPECT_LT(std::chrono::abs(system_clock().wall() - std::chrono::system_clock::now()), 1h);
}

} // namespace
} // namespace forebay
