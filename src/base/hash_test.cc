#include "base/hash.h"

#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace forebay {
namespace {

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

TEST(hash, sha256_matches_fips_180_examples) {
  EXPECT_EQ(hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(hash, sha256_128_is_the_front_of_the_digest) {
  EXPECT_EQ(hex(sha256_128("abc").bytes), "ba7816bf8f01cfea414140de5dae2223");
  EXPECT_NE(sha256_128("a"), sha256_128("b"));
  EXPECT_EQ(key128_hash()(sha256_128("abc")), sha256_128("abc").prefix());
}

TEST(hash, hmac_matches_rfc_4231_and_takes_an_empty_secret) {
  EXPECT_EQ(hex(hmac_sha256(bytes_of("Jefe"), "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  const std::string long_secret(131, '\xaa'); // longer than a block: hashed first
  EXPECT_EQ(hex(hmac_sha256(bytes_of(long_secret), "Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  EXPECT_EQ(hex(hmac_sha256({}, "")), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(hash, xxh3_is_stable) {
  EXPECT_EQ(xxh3_64({}), 0x2d06800538d394c2ull); // the algorithm's own empty-input value
  const std::array<std::byte, 3> abc{std::byte{'a'}, std::byte{'b'}, std::byte{'c'}};
  EXPECT_EQ(xxh3_64(abc), 0x78af5f94892f3950ull);
}

TEST(hash, constant_time_equality_is_equality) {
  EXPECT_TRUE(equal_in_constant_time("", ""));
  EXPECT_TRUE(equal_in_constant_time("secret", "secret"));
  EXPECT_FALSE(equal_in_constant_time("secret", "secreT"));
  EXPECT_FALSE(equal_in_constant_time("secret", "secre"));
  EXPECT_FALSE(equal_in_constant_time("", "x"));
}

TEST(hash, digests_from_many_threads_agree) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&wrong] {
      for (int round = 0; round < 500; ++round) {
        if (hex(sha256("abc")).substr(0, 8) != "ba7816bf") ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

} // namespace
} // namespace forebay
