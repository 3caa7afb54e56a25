// Where frames begin in the bytes of a connection (RFC 9113 §4.1).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <nghttp2/nghttp2.h>
#include <span>

namespace forebay::http {

/// Cuts what a client sends into heads and payloads, so that every frame can be judged before nghttp2 sees it; nghttp2
/// itself keeps silent about frames that it ignores.
class frame_scanner {
public:
  static constexpr std::size_t head_bytes = 9;

  /// How many of `bytes` (not empty) belong to the head or payload in progress.
  std::size_t next(std::span<const std::byte> bytes) noexcept {
    const bool in_head = payload_left_ == 0;
    const std::size_t count = std::min(in_head ? head_bytes - have_ : payload_left_, bytes.size());
    head_complete_ = increment_complete_ = false;
    if (!in_head) {
      const auto end = bytes.first(count).last(std::min(count, sizeof last_word_));
      for (const std::byte each : end) last_word_ = last_word_ << 8 | std::to_integer<std::uint32_t>(each);
      payload_left_ -= count;
      increment_complete_ = payload_left_ == 0 && head().type == NGHTTP2_WINDOW_UPDATE;
      return count;
    }
    std::copy_n(bytes.begin(), count, head_.begin() + static_cast<std::ptrdiff_t>(have_));
    have_ += count;
    if (have_ < head_bytes) return count;
    have_ = 0;
    head_complete_ = true;
    payload_left_ = head().length;
    return count;
  }
  /// Whether the bytes of the last `next` completed a head.
  bool head_complete() const noexcept { return head_complete_; }
  /// Whether they completed a WINDOW_UPDATE that opens no window (RFC 9113 §6.9).
  bool opens_nothing() const noexcept { return increment_complete_ && (last_word_ & 0x7fff'ffff) == 0; }
  nghttp2_frame_hd head() const noexcept {
    const auto at = [this](std::size_t i) { return std::to_integer<std::uint32_t>(head_[i]); };
    nghttp2_frame_hd made{};
    made.length = at(0) << 16 | at(1) << 8 | at(2);
    made.type = static_cast<std::uint8_t>(at(3));
    made.flags = static_cast<std::uint8_t>(at(4));
    made.stream_id = static_cast<std::int32_t>((at(5) & 0x7f) << 24 | at(6) << 16 | at(7) << 8 | at(8));
    return made;
  }

private:
  std::array<std::byte, head_bytes> head_{};
  std::size_t have_ = 0;                                       ///< bytes of the head in progress
  std::size_t payload_left_ = sizeof NGHTTP2_CLIENT_MAGIC - 1; ///< the preface comes first
  std::uint32_t last_word_ = 0;                                ///< of the payload
  bool head_complete_ = false, increment_complete_ = false;
};

} // namespace forebay::http
