// Bytes on their way to a socket, and the hold that keeps them where they are.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace forebay::net {

/// Memory that must not be reused while somebody looks at it. Whoever owns it derives from this and gets
/// `released` when the last pin goes, on whatever thread that happens: it must be cheap and must not throw.
class pinnable {
public:
  void acquire() noexcept { pins_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept {
    if (pins_.fetch_sub(1, std::memory_order_acq_rel) == 1) released();
  }
  std::uint32_t pins() const noexcept { return pins_.load(std::memory_order_acquire); }

protected:
  pinnable() = default;
  ~pinnable() = default;
  virtual void released() noexcept = 0;

private:
  std::atomic<std::uint32_t> pins_{0};
};

/// A counted hold on a `pinnable`; a copy is one more hold. Thread-safe as a shared_ptr is.
class pin {
public:
  pin() = default;
  explicit pin(pinnable* held) noexcept : held_(held) {
    if (held_ != nullptr) held_->acquire();
  }
  pin(const pin& other) noexcept : pin(other.held_) {}
  pin(pin&& other) noexcept : held_(std::exchange(other.held_, nullptr)) {}
  pin& operator=(pin other) noexcept {
    std::swap(held_, other.held_);
    return *this;
  }
  ~pin() {
    if (held_ != nullptr) held_->release();
  }
  explicit operator bool() const noexcept { return held_ != nullptr; }
  pinnable* get() const noexcept { return held_; }

private:
  pinnable* held_ = nullptr;
};

/// Pieces with a file at least this long leave by sendfile; shorter ones are copied by sendmsg together with their
/// neighbours, which costs less than a system call of their own.
inline constexpr std::size_t sendfile_threshold_bytes = 32 * 1024;

/// A run of bytes that a socket can send: as memory, and, where `fd` is not -1, also as `bytes.size()`
/// bytes at `offset` of that file (so `sendfile` needs no copy). Valid while `hold` is.
struct slice {
  int fd = -1;
  std::uint64_t offset = 0;
  std::span<const std::byte> bytes;
  pin hold;

  bool empty() const noexcept { return bytes.empty(); }
  std::size_t length_bytes() const noexcept { return bytes.size(); }
  /// The part [from, from + length) of this slice, with a hold of its own.
  slice part(std::size_t from, std::size_t length) const {
    return {fd, offset + from, bytes.subspan(from, length), hold};
  }
};

/// `text` for as long as its owner keeps it where it is.
inline slice borrow(std::string_view text) noexcept { return {-1, 0, std::as_bytes(std::span(text)), {}}; }

/// A slice that owns a copy of `text` (small generated bodies, multipart heads).
slice make_slice(std::string text);

} // namespace forebay::net
