#include "cache/streams.h"

#include <algorithm>
#include <array>
#include <gtest/gtest.h>
#include <random>
#include <vector>

namespace forebay::cache {
namespace {

constexpr std::uint64_t kib = 1024, mib = 1024 * kib;
constexpr std::uint64_t window = 64 * mib;

TEST(read_streams, two_reads_in_a_row_are_chance_and_three_a_habit) {
  read_streams streams;
  EXPECT_EQ(streams.observe({0, 128 * kib}, window), 128 * kib);
  EXPECT_EQ(streams.observe({128 * kib, 256 * kib}, window), 256 * kib);
  EXPECT_GT(streams.observe({256 * kib, 384 * kib}, window), 384 * kib);
}

TEST(read_streams, a_part_read_again_is_no_sequence) {
  read_streams streams;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(streams.observe({4'096, 12'288}, window), 12'288u);
  EXPECT_EQ(streams.observe({0, 20'480}, window), 20'480u);
}

TEST(read_streams, what_is_fetched_ahead_is_bounded_by_what_was_read_and_by_the_window) {
  read_streams streams;
  std::uint64_t ordered = 0;
  for (std::uint64_t at = 0; at < 512 * mib; at += 128 * kib) {
    const std::uint64_t end = at + 128 * kib;
    ordered = std::max(ordered, streams.observe({at, end}, window));
    EXPECT_LE(ordered - end, std::min(window, 2 * end));
  }
}

TEST(read_streams, readers_that_take_turns_out_of_order_make_one_stream) {
  read_streams streams;
  std::uint64_t orders = 0, ordered = 0;
  const std::uint64_t turn[8] = {3, 0, 1, 2, 5, 4, 7, 6};
  for (std::uint64_t round = 0; round < 1'000; ++round) {
    for (const std::uint64_t number : turn) {
      const std::uint64_t begin = (round * 8 + number) * 128 * kib;
      const std::uint64_t until = streams.observe({begin, begin + 128 * kib}, window);
      if (until > begin + 128 * kib && until > ordered) {
        ordered = until;
        ++orders;
      }
    }
  }
  EXPECT_LE(orders, 40u);
  EXPECT_GE(ordered, 1'000 * mib);
}

/// As on a busy machine: now this reader runs, now that one, and the others fall behind by many turns.
TEST(read_streams, readers_that_drift_apart_need_few_requests) {
  constexpr std::uint64_t step = 128 * kib, readers = 8, steps = 2'048;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    std::mt19937_64 random(seed);
    read_streams streams;
    std::vector<bool> ordered(2 * steps);
    std::array<std::uint64_t, readers> at{0, 1, 2, 3, 4, 5, 6, 7};
    std::uint64_t requests = 0, left = steps;
    while (left > 0) {
      const std::uint64_t chosen = random() % readers;
      const std::uint64_t furthest = *std::min_element(at.begin(), at.end()) + 6 * readers;
      while (at[chosen] < std::min(furthest, steps) && random() % 4 != 0) {
        --left;
        const std::uint64_t number = at[chosen];
        at[chosen] += readers;
        const std::uint64_t until = streams.observe({number * step, (number + 1) * step}, 64 * mib) / step;
        bool asked = false;
        for (std::uint64_t each = number; each < until; ++each) {
          asked = asked || !ordered[each];
          ordered[each] = true;
        }
        requests += asked ? 1 : 0;
      }
    }
    EXPECT_LE(requests, 90u) << "seed " << seed;
  }
}

TEST(read_streams, sparse_random_reads_order_nothing_ahead) {
  read_streams streams;
  std::uint64_t seed = 7, surplus = 0;
  for (int i = 0; i < 1'000; ++i) {
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    const std::uint64_t at = (seed >> 16) % (1'024 * mib);
    surplus += streams.observe({at, at + 64 * kib}, window) - (at + 64 * kib);
  }
  EXPECT_LE(surplus, 2 * mib);
}

} // namespace
} // namespace forebay::cache
