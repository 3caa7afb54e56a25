#include "front/repr_digest.h"

#include <gtest/gtest.h>

namespace forebay::front {
namespace {

constexpr const char* sha256_of_nothing = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
constexpr const char* md5_of_nothing = "1B2M2Y8AsgTpgAmY7PhCfg==";

cache::stored_head with_checksums() {
  cache::stored_head head;
  head.whole_fields.add("x-amz-checksum-sha256", sha256_of_nothing);
  head.whole_fields.add("Content-MD5", md5_of_nothing);
  head.whole_fields.add("x-amz-checksum-crc32c", "AAAAAA==");
  return head;
}

http::header_table answered(const http::header_table& request, const cache::stored_head& head, unsigned status = 200) {
  http::response_head answer{status, {}};
  add_wanted_digests(answer, request, head);
  return answer.fields;
}

std::string wanted(const std::string& preferences, const cache::stored_head& head = with_checksums()) {
  http::header_table request;
  request.add("Want-Repr-Digest", preferences);
  return std::string(answered(request, head, 206).get("repr-digest").value_or(""));
}

TEST(repr_digest, is_what_the_reader_likes_best_of_what_the_store_gave) {
  const std::string sha = std::string("sha-256=:") + sha256_of_nothing + ":";
  const std::string md5 = std::string("md5=:") + md5_of_nothing + ":";
  EXPECT_EQ(wanted("sha-256=1"), sha);
  EXPECT_EQ(wanted("md5=10, sha-256=1"), md5);
  EXPECT_EQ(wanted("md5=5, sha-256=5"), sha) << "the stronger of two that are liked alike";
  EXPECT_EQ(wanted("sha-512=10, md5=1"), md5) << "what is not known cannot be told";
  EXPECT_EQ(wanted("crc32c=3"), "crc32c=:AAAAAA==:");
}

TEST(repr_digest, is_not_told_unasked) {
  EXPECT_EQ(answered({}, with_checksums()).size(), 0u);
  for (const char* none : {"sha-256=0", "sha-512=1", "sha-256", "sha-256=11", "sha-256=1.5", "sha-256=\"1\"", "=", ""})
    EXPECT_EQ(wanted(none), "") << none;
}

TEST(repr_digest, is_of_the_whole_object_or_none) {
  cache::stored_head parts;
  parts.whole_fields.add("x-amz-checksum-sha256", std::string(sha256_of_nothing) + "-3");
  EXPECT_EQ(wanted("sha-256=1", parts), "") << "composed of parts";
  auto error = with_checksums();
  error.status = 404;
  EXPECT_EQ(wanted("sha-256=1", error), "");
  auto own = with_checksums();
  own.fields.add("Repr-Digest", "sha-512=:AAAA:");
  EXPECT_EQ(wanted("sha-256=1", own), "") << "the store's own word is passed on";
}

TEST(repr_digest, content_has_one_where_it_is_the_whole) {
  http::header_table request;
  request.add("Want-Content-Digest", "md5=1");
  EXPECT_EQ(answered(request, with_checksums()).get("content-digest"), std::string("md5=:") + md5_of_nothing + ":");
  EXPECT_EQ(answered(request, with_checksums(), 206).size(), 0u);
  EXPECT_EQ(answered(request, with_checksums(), 304).size(), 0u);
}

TEST(repr_digest, what_was_computed_is_as_good_as_the_stores) {
  const std::vector<origin::expected_digest> computed{{origin::digest_kind::sha512, "raw", "computed"}};
  http::header_table request;
  request.add("Want-Repr-Digest", "sha-512=10, sha-256=1");
  http::response_head answer{200, {}};
  add_wanted_digests(answer, request, with_checksums(), computed);
  EXPECT_EQ(answer.fields.get("repr-digest"), "sha-512=:cmF3:");
}

TEST(repr_digest, what_can_be_computed_is_what_the_reader_likes_best) {
  const auto best = [](const char* preferences) {
    http::header_table request;
    request.add("Want-Content-Digest", preferences);
    return computable(request, "want-content-digest");
  };
  EXPECT_EQ(best("sha-256=1, sha-512=1"), origin::digest_kind::sha256);
  EXPECT_EQ(best("sha-256=1, sha-512=2"), origin::digest_kind::sha512);
  EXPECT_EQ(best("md5=10, crc32c=1"), origin::digest_kind::crc32c);
  for (const char* none : {"md5=10", "sha=1", "sha-256=0", "", "sha-256"}) EXPECT_FALSE(best(none)) << none;
}

TEST(digest_memory, is_bounded_and_tells_versions_apart) {
  const auto memory = std::make_shared<digest_memory>(digest_limits{.remembered = 2, .held_bytes = 100});
  const origin::identity object{"web", "http://a:80", "", "/x", "anonymous", ""};
  const auto name = [&](const char* tag, std::uint64_t length = 10,
                        origin::digest_kind kind = origin::digest_kind::sha256) {
    return digest_memory::name_of(object, {origin::validator_kind::strong_etag, tag}, length, kind);
  };
  memory->remember(name("1"), "one");
  EXPECT_EQ(memory->recall(name("1")), "one");
  EXPECT_FALSE(memory->recall(name("2")));
  EXPECT_FALSE(memory->recall(name("1", 11)));
  EXPECT_FALSE(memory->recall(name("1", 10, origin::digest_kind::sha512)));
  memory->remember(name("2"), "two");
  EXPECT_EQ(memory->recall(name("1")), "one");
  memory->remember(name("3"), "three");
  EXPECT_FALSE(memory->recall(name("2"))) << "the least recently used makes room";
  EXPECT_EQ(memory->recall(name("1")), "one");
  auto held = std::make_optional(digest_memory::take_room(memory, 60));
  EXPECT_TRUE(*held);
  EXPECT_FALSE(digest_memory::take_room(memory, 60));
  held.reset();
  EXPECT_TRUE(digest_memory::take_room(memory, 100));
  memory->update({.remembered = 0});
  EXPECT_FALSE(memory->recall(name("1")));
}

} // namespace
} // namespace forebay::front
