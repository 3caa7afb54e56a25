// `[[node.disk]] segment`: what is read, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/config.h"

namespace forebay::app {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t mib = 1u << 20;

load_result<config> loaded(const std::string& size, const std::string& segment) {
  load_input input;
  input.file_name = "f.toml";
  input.file_text = "[[node.disk]]\npath = \"/a\"\nsize = \"" + size + "\"\n" + segment;
  input.machine = {4, 8ull << 30, true, "test"};
  return load(input);
}

TEST(config_disk, segments_have_the_length_that_is_asked_for) {
  const auto length = [](const std::string& size, const std::string& segment) {
    const auto made = loaded(size, segment);
    EXPECT_TRUE(made) << made.error().front().message();
    return made ? made->node.disks.at(0).segment_bytes : 1;
  };
  EXPECT_EQ(length("1GiB", ""), 0u) << "the store chooses";
  EXPECT_EQ(length("1GiB", "segment = 0\n"), 0u);
  EXPECT_EQ(length("4GiB", "segment = \"64MiB\"\n"), 64 * mib);
  EXPECT_EQ(length("8GiB", "segment = \"128MiB\"\n"), 128 * mib);
  EXPECT_EQ(length("1TiB", "segment = \"256MiB\"\n"), 256 * mib);
}

TEST(config_disk, lengths_that_would_be_changed_without_a_word_are_mistakes) {
  constexpr const char* wrong[][2] = {
      {"1TiB", "96MiB"},   // no power of two
      {"1TiB", "32MiB"},   // too short
      {"1TiB", "64000000"} // decimal
  };
  for (const auto& [size, segment] : wrong) {
    const auto made = loaded(size, std::string("segment = \"") + segment + "\"\n");
    ASSERT_FALSE(made) << segment;
    EXPECT_THAT(made.error().front().message(), HasSubstr("node.disk[0].segment")) << segment;
    EXPECT_THAT(made.error().front().message(), HasSubstr("a power of two")) << segment;
  }
  for (const auto& [size, segment] : {std::pair{"8191MiB", "128MiB"}, std::pair{"3GiB", "64MiB"}}) {
    const auto made = loaded(size, std::string("segment = \"") + segment + "\"\n");
    ASSERT_FALSE(made) << size;
    EXPECT_THAT(made.error().front().message(), HasSubstr("at most 1/64 of the size")) << size;
  }
  EXPECT_FALSE(loaded("1TiB", "segment = \"512MiB\"\n"));
}

} // namespace
} // namespace forebay::app
