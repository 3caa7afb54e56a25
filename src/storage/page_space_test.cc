#include "storage/page_space.h"

#include <cstring>
#include <fstream>
#include <gtest/gtest.h>
#include <random>
#include <set>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

namespace forebay::storage {
namespace {

std::unique_ptr<page_space> open_space(std::uint64_t pages, std::uint32_t run_pages_max) {
  auto made = page_space::open(pages, run_pages_max);
  EXPECT_TRUE(made) << made.error().message();
  return std::move(*made);
}

TEST(page_bitmap, agrees_with_a_set_of_integers) {
  std::mt19937_64 random(7);
  for (const std::size_t bits : {1u, 63u, 64u, 65u, 5000u, 300'000u}) {
    page_bitmap bitmap(bits);
    std::set<std::size_t> model;
    for (int step = 0; step < 4000; ++step) {
      const std::size_t at = random() % bits;
      if (random() % 2 == 0) {
        bitmap.set(at);
        model.insert(at);
      } else {
        bitmap.clear(at);
        model.erase(at);
      }
      ASSERT_EQ(bitmap.find_first(), model.empty() ? page_bitmap::none : *model.begin());
      ASSERT_EQ(bitmap.test(at), model.contains(at));
    }
    bitmap.resize(bits * 70); // one level more
    ASSERT_EQ(bitmap.find_first(), model.empty() ? page_bitmap::none : *model.begin());
    for (const std::size_t at : model) bitmap.clear(at);
    bitmap.set(bits * 70 - 1);
    ASSERT_EQ(bitmap.find_first(), bits * 70 - 1);
  }
}

TEST(page_space, gives_back_what_a_run_does_not_need_of_its_power_of_two) {
  auto space = open_space(256, 256);
  const page_run run = space->allocate(17); // 68 KiB
  EXPECT_EQ(run.count, 17u);
  EXPECT_EQ(space->free_pages(), 256u - 17u);
  const page_run rest = space->allocate(128);
  EXPECT_EQ(rest.count, 128u);
  space->release(run);
  space->release(rest);
  EXPECT_EQ(space->allocate(256).count, 256u) << "the parts must merge to the whole again";
}

TEST(page_space, gives_the_longest_run_there_is) {
  auto space = open_space(16, 16);
  std::vector<page_run> singles;
  for (int i = 0; i < 16; ++i) singles.push_back(space->allocate(1));
  EXPECT_EQ(space->allocate(1).count, 0u);
  for (int i = 0; i < 16; ++i)
    if (i % 4 != 0) space->release(singles[i]); // free: runs of two and of one
  EXPECT_EQ(space->allocate(16).count, 2u);
}

TEST(page_space, never_gives_a_page_twice_and_loses_none) {
  std::mt19937_64 random(11);
  for (int schedule = 0; schedule < 200; ++schedule) {
    const std::uint32_t longest = 1u << (random() % 9);
    auto space = open_space(longest * (1 + random() % 8), longest);
    std::vector<bool> taken(space->pages());
    std::vector<page_run> held;
    const auto mark = [&taken](page_run run, bool as) {
      for (std::uint32_t page = run.first; page < run.first + run.count; ++page) {
        ASSERT_NE(taken[page], as);
        taken[page] = as;
      }
    };
    std::uint64_t count = 0;
    for (int step = 0; step < 300; ++step) {
      if (random() % 3 != 0 || held.empty()) {
        const auto wanted = static_cast<std::uint32_t>(1 + random() % longest);
        const page_run run = space->allocate(wanted);
        ASSERT_LE(run.count, wanted);
        ASSERT_EQ(run.count == 0, count == space->pages());
        mark(run, true);
        count += run.count;
        if (run.count > 0) held.push_back(run);
      } else {
        std::swap(held[random() % held.size()], held.back());
        page_run& last = held.back();
        const auto part = static_cast<std::uint32_t>(1 + random() % last.count); // its tail, or all of it
        const page_run freed{last.first + last.count - part, part};
        mark(freed, false);
        space->release(freed);
        count -= part;
        last.count -= part;
        if (last.count == 0) held.pop_back();
      }
      ASSERT_EQ(space->free_pages(), space->pages() - count);
    }
    for (const page_run run : held) space->release(run);
    for (std::uint64_t at = 0; at < space->pages(); at += longest) ASSERT_EQ(space->allocate(longest).count, longest);
  }
}

TEST(page_space, punching_gives_memory_back_and_clears_the_pages) {
  auto space = open_space(64, 64);
  const page_run run = space->allocate(32);
  std::memset(space->address(run), 0x5A, run.length_bytes());
  struct stat file {};
  ASSERT_EQ(::fstat(space->fd(), &file), 0);
  EXPECT_EQ(file.st_blocks * 512, 32 * 4096);
  EXPECT_TRUE(space->punch({run.first + 16, 16}));
  ASSERT_EQ(::fstat(space->fd(), &file), 0);
  EXPECT_EQ(file.st_blocks * 512, 16 * 4096);
  EXPECT_EQ(space->address(run)[16 * 4096 - 1], std::byte{0x5A});
  EXPECT_EQ(space->address(run)[16 * 4096], std::byte{0});
}

TEST(page_space, touching_gives_all_pages_memory_at_once) {
  auto space = open_space(64, 64);
  const page_run run = space->allocate(32);
  page_space::touch({space->address(run), run.length_bytes()});
  struct stat file {};
  ASSERT_EQ(::fstat(space->fd(), &file), 0);
  if (file.st_blocks == 0) GTEST_SKIP() << "a kernel that touches page by page";
  EXPECT_EQ(file.st_blocks * 512, 32 * 4096);
  EXPECT_EQ(space->address(run)[32 * 4096 - 1], std::byte{0});
}

/// Punching a part of a huge page zeroes it in place, where a socket may still be sending it.
TEST(page_space, refuses_huge_pages) {
  if (::access("/sys/kernel/mm/transparent_hugepage/shmem_enabled", R_OK) != 0) GTEST_SKIP() << "a kernel without them";
  auto space = open_space(64, 64);
  std::ostringstream begin;
  begin << std::hex << reinterpret_cast<std::uintptr_t>(space->address({0, 1})) << '-';
  std::ifstream maps("/proc/self/smaps");
  std::string line;
  while (std::getline(maps, line) && !line.starts_with(begin.str())) {}
  while (std::getline(maps, line) && !line.starts_with("VmFlags:")) {}
  EXPECT_NE(line.find(" nh"), std::string::npos) << line;
}

TEST(page_space, grows_without_moving_what_is_there) {
  auto space = open_space(16, 16);
  const page_run old_run = space->allocate(16);
  std::byte* at = space->address(old_run);
  at[5] = std::byte{42};
  ASSERT_TRUE(space->grow(64));
  EXPECT_EQ(space->pages(), 64u);
  EXPECT_EQ(space->address(old_run), at);
  EXPECT_EQ(at[5], std::byte{42});
  for (int i = 0; i < 3; ++i) {
    const page_run run = space->allocate(16);
    ASSERT_EQ(run.count, 16u);
    std::memset(space->address(run), i + 1, run.length_bytes());
  }
  EXPECT_EQ(at[5], std::byte{42});
  EXPECT_FALSE(space->grow(page_space::pages_max + 1));
  EXPECT_EQ(space->pages(), 64u);
}

} // namespace
} // namespace forebay::storage
