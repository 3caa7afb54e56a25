#include "app/connection_spread.h"

#include <array>
#include <gtest/gtest.h>

namespace forebay::app {
namespace {

using loads = std::array<loop_load, 2>;

TEST(connection_spread, leaves_a_connection_where_it_came_if_no_loop_has_clearly_less_to_do) {
  EXPECT_EQ(choose_loop(0, loads{}), 0u);
  EXPECT_EQ(choose_loop(1, loads{}), 1u);
  EXPECT_EQ(choose_loop(0, loads{{{0.52, 3, 0}, {0.5, 3, 0}}}), 0u);
  EXPECT_EQ(choose_loop(0, loads{{{0.5, 510, 0}, {0.5, 490, 0}}}), 0u) << "one of a thousand is not worth it";
}

TEST(connection_spread, gives_few_connections_to_all_loops) {
  EXPECT_EQ(choose_loop(0, loads{{{0, 1, 1}, {0, 0, 0}}}), 1u);
  EXPECT_EQ(choose_loop(0, loads{{{0, 1, 0}, {0, 0, 0}}}), 1u) << "also if it came some time ago";
  EXPECT_EQ(choose_loop(1, loads{{{0, 2, 2}, {0, 3, 3}}}), 0u);
}

TEST(connection_spread, prefers_the_loop_with_less_to_do_to_the_one_with_fewer_connections) {
  EXPECT_EQ(choose_loop(0, loads{{{1, 4, 0}, {0, 5, 0}}}), 1u);
  EXPECT_EQ(choose_loop(0, loads{{{0.9, 10, 0}, {0.1, 15, 0}}}), 1u);
}

TEST(connection_spread, counts_on_what_new_connections_will_do) {
  // All that come within one measurement would follow each other to the loop that was idle.
  loads now{{{1, 4, 0}, {0, 0, 0}}};
  unsigned to_idle = 0;
  for (int i = 0; i < 8; ++i) {
    const unsigned chosen = choose_loop(0, now);
    ++now[chosen].open;
    ++now[chosen].recent;
    to_idle += chosen;
  }
  EXPECT_GE(to_idle, 5u);
  EXPECT_LT(to_idle, 8u);
}

net::task<void> enter(connection_spread* into, std::vector<connection_spread::place>* places) {
  places->push_back(into->enter());
  co_return;
}

TEST(connection_spread, knows_who_has_left) {
  net::loop_group loops(2);
  loops.start();
  connection_spread all(loops);
  std::vector<connection_spread::place> places;
  for (int i = 0; i < 4; ++i) net::run_blocking(loops.at(0), enter(&all, &places));
  const auto on_first = [&] {
    return std::count_if(places.begin(), places.end(), [](const auto& each) { return each.loop().index() == 0; });
  };
  EXPECT_EQ(on_first(), 2);
  std::erase_if(places, [](const auto& each) { return each.loop().index() == 0; });
  for (int i = 0; i < 2; ++i) net::run_blocking(loops.at(1), enter(&all, &places));
  EXPECT_EQ(on_first(), 2);
}

} // namespace
} // namespace forebay::app
