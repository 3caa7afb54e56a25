#include "origin/checked_body.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstring>

#include "base/hash.h"
#include "net/loop.h"
#include "net/testing/waiting.h"

namespace forebay::origin {
namespace {

/// Text in pieces of a given size.
class text_body final : public http::client_body {
public:
  text_body(std::string text, std::size_t step) : text_(std::move(text)), step_(step) {}
  net::task<result<std::size_t>> read_some(std::span<std::byte> into) override {
    const std::size_t count = std::min({into.size(), step_, text_.size() - at_});
    std::memcpy(into.data(), text_.data() + at_, count);
    at_ += count;
    co_return count;
  }
  bool at_end() const noexcept override { return at_ == text_.size(); }

private:
  std::string text_;
  std::size_t step_, at_ = 0;
};

struct came {
  std::string bytes;
  std::optional<error> failed;
};

net::task<void> drain(http::client_body* from, std::size_t span, came* out) {
  std::vector<std::byte> room(span);
  for (;;) {
    auto got = co_await from->read_some(room);
    if (!got) out->failed = std::move(got.error());
    if (!got || *got == 0) break;
    out->bytes.append(reinterpret_cast<const char*>(room.data()), *got);
  }
}

class CheckedBodyTest : public ::testing::Test {
protected:
  CheckedBodyTest() { loops_.start(); }
  ~CheckedBodyTest() override { loops_.stop(); }
  came read(const std::string& text, const std::string& promised, std::size_t length) {
    const auto digest = sha256(promised);
    expected_digest expected{digest_kind::sha256, {reinterpret_cast<const char*>(digest.data()), digest.size()}, "f"};
    const auto body = check_body(std::make_unique<text_body>(text, 10'000), std::move(expected), length, "x");
    came out;
    net::run_blocking(loops_.at(0), drain(body.get(), 7'000, &out));
    return out;
  }
  net::loop_group loops_{1};
};

std::string sample(std::size_t length) {
  std::string text(length, '\0');
  for (std::size_t i = 0; i < length; ++i) text[i] = static_cast<char>(i * 31 >> 3);
  return text;
}

TEST_F(CheckedBodyTest, WhatMatchesPasses) {
  for (const std::size_t length :
       {std::size_t{0}, std::size_t{1}, held_tail_bytes, held_tail_bytes + 1, std::size_t{200'000}}) {
    const std::string text = sample(length);
    const came got = read(text, text, length);
    EXPECT_FALSE(got.failed) << length;
    EXPECT_EQ(got.bytes, text) << length;
  }
}

TEST_F(CheckedBodyTest, TheTailOfADamagedObjectIsNotHandedOn) {
  for (const std::size_t length : {std::size_t{1}, std::size_t{200'000}}) {
    std::string text = sample(length);
    const std::string promised = text;
    text[0] ^= 1; // long before the tail
    const came got = read(text, promised, length);
    ASSERT_TRUE(got.failed) << length;
    EXPECT_TRUE(is_checksum_mismatch(*got.failed));
    EXPECT_FALSE(got.failed->retryable);
    EXPECT_EQ(got.bytes.size(), length - std::min(length, held_tail_bytes));
  }
}

TEST_F(CheckedBodyTest, AShortBodyIsNoMismatch) {
  const came got = read(sample(100), sample(200), 200);
  ASSERT_TRUE(got.failed);
  EXPECT_FALSE(is_checksum_mismatch(*got.failed));
  EXPECT_TRUE(got.bytes.empty());
}

} // namespace
} // namespace forebay::origin
