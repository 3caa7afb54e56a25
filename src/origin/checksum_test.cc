#include "origin/checksum.h"

#include <gtest/gtest.h>

#include "base/hash.h"

namespace forebay::origin {
namespace {

std::string digest_hex(digest_kind kind, std::string_view text) {
  const auto one = digester::make(kind);
  one->update(std::as_bytes(std::span(text).first(4)));
  one->update(std::as_bytes(std::span(text).subspan(4)));
  const std::string raw = one->finish();
  return hex(std::span(reinterpret_cast<const std::uint8_t*>(raw.data()), raw.size()));
}

TEST(checksum, known_answers) {
  constexpr std::string_view text = "123456789"; // the check input of the catalogue of CRCs
  EXPECT_EQ(digest_hex(digest_kind::crc32, text), "cbf43926");
  EXPECT_EQ(digest_hex(digest_kind::crc32c, text), "e3069283");
  EXPECT_EQ(digest_hex(digest_kind::crc64nvme, text), "ae8b14860a799888");
  EXPECT_EQ(digest_hex(digest_kind::md5, text), "25f9e794323b453885f5181f1b624d0b");
  EXPECT_EQ(digest_hex(digest_kind::sha1, text), "f7c3bc1d808e04732adf679965ccc34ca7ae3441");
  EXPECT_EQ(digest_hex(digest_kind::sha256, text), "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225");
}

// RFC 3720 (iSCSI), appendix B.4: 32 bytes of zeros, of ones, and rising.
TEST(checksum, crc32c_of_the_standard) {
  EXPECT_EQ(digest_hex(digest_kind::crc32c, std::string(32, '\0')), "8a9136aa");
  EXPECT_EQ(digest_hex(digest_kind::crc32c, std::string(32, '\xff')), "62a8ab43");
  std::string rising;
  for (char c = 0; c < 32; ++c) rising += c;
  EXPECT_EQ(digest_hex(digest_kind::crc32c, rising), "46dd794e");
}

// However the bytes are cut, and whichever way they are summed up, it is the sum of the definition.
TEST(checksum, all_cuts_sum_up_alike) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += static_cast<char>(i * 37);
  for (const auto& [kind, polynomial] :
       {std::pair{digest_kind::crc32, 0xedb88320ull}, std::pair{digest_kind::crc32c, 0x82f63b78ull},
        std::pair{digest_kind::crc64nvme, 0x9a6c9329ac4bc9b5ull}}) {
    const std::uint64_t mask = kind == digest_kind::crc64nvme ? ~0ull : 0xffffffffull;
    std::uint64_t state = mask;
    for (const char c : text) {
      state ^= static_cast<unsigned char>(c);
      for (int bit = 0; bit < 8; ++bit) state = (state & 1) != 0 ? (state >> 1) ^ polynomial : state >> 1;
    }
    state ^= mask;
    for (std::size_t cut = 0; cut <= text.size(); cut += 7) {
      const auto one = digester::make(kind);
      one->update(std::as_bytes(std::span(text).first(cut)));
      one->update(std::as_bytes(std::span(text).subspan(cut)));
      std::uint64_t value = 0;
      for (const char c : one->finish()) value = value << 8 | static_cast<unsigned char>(c);
      EXPECT_EQ(value, state) << cut;
    }
  }
}

std::optional<expected_digest> digest_of(std::initializer_list<std::pair<const char*, const char*>> fields) {
  http::header_table table;
  for (const auto& [name, value] : fields) table.add(name, value);
  return find_digest(table);
}

constexpr const char* md5_of_empty = "1B2M2Y8AsgTpgAmY7PhCfg==";
constexpr const char* crc32c_of_empty = "AAAAAA==";

TEST(checksum, the_strongest_that_is_given) {
  EXPECT_FALSE(digest_of({{"ETag", "\"x\""}}));
  EXPECT_EQ(digest_of({{"Content-MD5", md5_of_empty}})->kind, digest_kind::md5);
  EXPECT_EQ(digest_of({{"x-amz-checksum-crc32c", crc32c_of_empty}, {"Content-MD5", md5_of_empty}})->kind,
            digest_kind::crc32c);
  EXPECT_EQ(digest_of({{"x-goog-hash", "crc32c=AAAAAA=="}, {"x-goog-hash", "md5=1B2M2Y8AsgTpgAmY7PhCfg=="}})->kind,
            digest_kind::md5);
  const auto repr =
      digest_of({{"Repr-Digest", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:, unixsum=:AAA=:"}});
  ASSERT_TRUE(repr);
  EXPECT_EQ(repr->kind, digest_kind::sha256);
  EXPECT_EQ(repr->field, "repr-digest");
}

TEST(checksum, the_quickest_is_enough_for_bytes_that_pass) {
  http::header_table fields;
  fields.add("x-goog-hash", "md5=1B2M2Y8AsgTpgAmY7PhCfg==,crc32c=AAAAAA==");
  EXPECT_EQ(find_quick_digest(fields)->kind, digest_kind::crc32c);
  http::header_table old;
  old.add("Content-MD5", md5_of_empty);
  EXPECT_EQ(find_quick_digest(old)->kind, digest_kind::md5);
}

TEST(checksum, what_is_not_of_these_bytes_does_not_count) {
  EXPECT_FALSE(digest_of({{"x-amz-checksum-crc32c", "AAAAAA==-3"}}));
  EXPECT_FALSE(digest_of({{"x-amz-checksum-crc32c", crc32c_of_empty}, {"x-amz-checksum-type", "COMPOSITE"}}));
  EXPECT_FALSE(
      digest_of({{"x-goog-hash", "md5=1B2M2Y8AsgTpgAmY7PhCfg=="}, {"x-goog-stored-content-encoding", "gzip"}}));
  EXPECT_FALSE(digest_of({{"Content-MD5", "AAAA"}})); // too short to be one
}

TEST(checksum, an_etag_is_an_md5_only_at_s3) {
  constexpr const char* tag = "\"d41d8cd98f00b204e9800998ecf8427e\"";
  EXPECT_FALSE(digest_of({{"ETag", tag}}));
  EXPECT_TRUE(digest_of({{"ETag", tag}, {"x-amz-request-id", "1"}}));
  EXPECT_TRUE(digest_of({{"ETag", tag}, {"x-amz-request-id", "1"}, {"x-amz-server-side-encryption", "AES256"}}));
  EXPECT_FALSE(digest_of({{"ETag", tag}, {"x-amz-request-id", "1"}, {"x-amz-server-side-encryption", "aws:kms"}}));
  EXPECT_FALSE(digest_of({{"ETag", "\"d41d8cd98f00b204e9800998ecf8427e-2\""}, {"x-amz-request-id", "1"}}));
}

} // namespace
} // namespace forebay::origin
