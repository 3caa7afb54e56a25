// Records that are none: what the disk gives back may be anything. fuzz/record_fuzz.cc looks for more.
#include "cache/boot.h"
#include "cache/record.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace forebay::cache {
namespace {

using nlohmann::json;

const steady_time now = steady_time(std::chrono::hours(1));
const wall_time wall = wall_time(std::chrono::seconds(1'700'000'000));

origin::identity subject() { return {"web", "http://a:80", "", "/x", "anonymous", ""}; }

json document() {
  return {{"v", 1},
          {"name", subject().canonical()},
          {"generation", 7u},
          {"status", 200u},
          {"fields", json::array({json::array({"ETag", "\"v1\""})})},
          {"whole", json::array()},
          {"date", "Sun, 06 Nov 1994 08:49:37 GMT"},
          {"pin", json::array({1u, "\"v1\""})},
          {"length", 1000u},
          {"age", 5u},
          {"written", 1'699'999'000u}};
}

std::optional<decoded_record> decoded(const json& from) {
  std::string bytes;
  json::to_cbor(from, bytes);
  return decode_record(bytes, subject(), now, wall);
}

TEST(records, of_this_shape_are_read) {
  const auto found = decoded(document());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->generation, 7u);
  EXPECT_EQ(found->head->fields.get("etag"), "\"v1\"");
  EXPECT_EQ(age_of(*found->head, now), std::chrono::seconds(1'005));
}

TEST(records, tell_the_version_of_http_where_it_is_the_old_one) {
  EXPECT_EQ(decoded(document())->head->version, 11u);
  json old = document();
  old["http"] = 10u;
  const auto found = decoded(old);
  EXPECT_EQ(found->head->version, 10u);
  const auto again = decode_record(encode_record(subject(), 7, *found->head, now, wall, {}), subject(), now, wall);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->head->version, 10u);
}

TEST(records, of_this_boot_are_as_old_as_the_later_of_two_clocks_says) {
  const auto age = [](std::uint64_t boot, std::uint64_t steady) {
    json changed = document(); // an age of 5 s then, and 1000 s by the wall clock since; 3600 s by the steady one
    changed["boot"] = boot;
    changed["steady"] = steady;
    const auto found = decoded(changed);
    EXPECT_TRUE(found);
    return found ? age_of(*found->head, now).count() : -1;
  };
  ASSERT_NE(boot_fingerprint(), 0u);
  EXPECT_EQ(age(boot_fingerprint(), 600), 3005) << "the wall clock was set back";
  EXPECT_EQ(age(boot_fingerprint(), 3000), 1005) << "the machine slept";
  EXPECT_EQ(age(boot_fingerprint(), 5000), 1005) << "another count of time: its own word is worth nothing";
  EXPECT_EQ(age(boot_fingerprint() + 1, 600), 1005) << "another boot";
  json wrong = document();
  wrong["boot"] = boot_fingerprint();
  EXPECT_FALSE(decoded(wrong));
  wrong["steady"] = UINT64_MAX;
  EXPECT_FALSE(decoded(wrong));
}

TEST(records, with_numbers_that_cannot_be_are_none) {
  const auto with = [](const char* name, json value) {
    json changed = document();
    changed[name] = std::move(value);
    return changed;
  };
  for (const char* name : {"generation", "status", "length", "age", "written"}) {
    EXPECT_FALSE(decoded(with(name, -1))) << name;
    EXPECT_FALSE(decoded(with(name, 1e300))) << name;
    EXPECT_FALSE(decoded(with(name, "many"))) << name;
  }
  for (const char* name : {"status", "length", "age", "written"}) EXPECT_FALSE(decoded(with(name, UINT64_MAX))) << name;
  EXPECT_FALSE(decoded(with("pin", json::array({77u, "\"v1\""}))));
  EXPECT_FALSE(decoded(with("fields", json{{"a", 1}})));
}

TEST(records, that_count_more_parts_than_bytes_are_none) {
  EXPECT_FALSE(decode_record("\x9b\x7f\xff\xff\xff\xff\xff\xff\xff", subject(), now, wall));
  EXPECT_FALSE(decode_record("\xbb\x7f\xff\xff\xff\xff\xff\xff\xff", subject(), now, wall));
}

TEST(records, that_nest_without_end_are_none) {
  EXPECT_FALSE(decode_record(std::string(4u << 20, '\x81'), subject(), now, wall));
  EXPECT_FALSE(decode_record(std::string(4u << 20, '\x9f'), subject(), now, wall));
}

} // namespace
} // namespace forebay::cache
