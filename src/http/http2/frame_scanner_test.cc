#include "http/http2/frame_scanner.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace forebay::http {
namespace {

std::string frame(std::uint8_t type, char stream, std::string_view payload) {
  std::string made{'\0',
                   static_cast<char>(payload.size() >> 8),
                   static_cast<char>(payload.size() & 0xff),
                   static_cast<char>(type),
                   '\1',
                   '\0',
                   '\0',
                   '\0',
                   stream};
  return made.append(payload);
}

/// Types, streams and lengths of the heads that are found when the bytes come in pieces of this size.
std::vector<std::string> heads_of(std::string_view text, std::size_t piece) {
  frame_scanner scanner;
  std::vector<std::string> found;
  while (!text.empty()) {
    auto bytes = std::as_bytes(std::span(text.substr(0, piece)));
    text.remove_prefix(bytes.size());
    while (!bytes.empty()) {
      const std::size_t count = scanner.next(bytes);
      EXPECT_GT(count, 0u);
      bytes = bytes.subspan(count);
      if (!scanner.head_complete()) continue;
      const auto head = scanner.head();
      found.push_back(std::to_string(head.type) + "/" + std::to_string(head.stream_id) + "/" +
                      std::to_string(head.length) + "/" + std::to_string(head.flags));
    }
  }
  return found;
}

TEST(FrameScanner, FindsHeadsHoweverTheBytesCome) {
  const std::string text = NGHTTP2_CLIENT_MAGIC + frame(4, 0, "") + frame(0, 3, std::string(300, 'x')) +
                           frame(1, 5, "ab") + frame(6, 0, "12345678");
  const std::vector<std::string> wanted{"4/0/0/1", "0/3/300/1", "1/5/2/1", "6/0/8/1"};
  for (std::size_t piece = 1; piece <= text.size(); ++piece) EXPECT_EQ(heads_of(text, piece), wanted) << piece;
}

TEST(FrameScanner, FindsUpdatesThatOpenNoWindow) {
  const std::string none("\x80\0\0\0", 4), some("\0\0\1\0", 4);
  const std::string text = NGHTTP2_CLIENT_MAGIC + frame(8, 3, some) + frame(0, 3, none) + frame(8, 5, none);
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    frame_scanner scanner;
    std::vector<std::int32_t> found;
    for (std::size_t at = 0; at < text.size();) {
      at += scanner.next(std::as_bytes(std::span(std::string_view(text).substr(at, piece))));
      if (scanner.opens_nothing()) found.push_back(scanner.head().stream_id);
    }
    EXPECT_EQ(found, std::vector<std::int32_t>{5}) << piece;
  }
}

TEST(FrameScanner, TheReservedBitIsNoPartOfTheStream) {
  std::string text = frame(0, 7, "");
  text[5] = static_cast<char>(0x80);
  EXPECT_EQ(heads_of(NGHTTP2_CLIENT_MAGIC + text, 100), std::vector<std::string>{"0/7/0/1"});
}

} // namespace
} // namespace forebay::http
