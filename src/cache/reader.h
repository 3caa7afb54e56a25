// One reader's body: bytes of a version from wherever they are. Internal to cache/.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cache/disk_ahead.h"
#include "cache/fill.h"
#include "cache/version.h"
#include "http/message.h"
#include "net/stream.h"

namespace forebay::cache {

/// What a reader needs to know about the request it serves.
struct reader_context {
  std::shared_ptr<engine> shared;
  std::shared_ptr<version> of;
  std::vector<binding> origins; ///< the version's own origin first
  std::string client;
  net::stream* connection = nullptr;
  lookup_report* report = nullptr;
  byte_range own{}; ///< what this request's own first exchange fetches: counted as the origin's bytes
};

/// Pulls [begin, end) of a version: from memory where held, else from the fill that brings it, else from the
/// lower tier, else from a fill that it starts. Loop thread only. What it last gave stays pinned until the next
/// call, and is charged to the client.
class reader final : public http::body_source {
public:
  /// `ahead_until`: fetch up to there if a fill must be started (sequential readers), at least `range.end`.
  reader(reader_context context, byte_range range, std::uint64_t ahead_until);
  ~reader() override;
  net::task<result<net::slice>> next(std::size_t max_bytes) override;

private:
  net::task<result<void>> obtain();
  net::task<void> read_cold(byte_range held, net::deadline until);
  net::task<void> await_disk(net::deadline until);
  void order_from_disk(byte_range held);
  net::task<result<void>> follow(std::shared_ptr<fill> from, net::deadline until);
  bool refused_another(const result<void>& followed) const noexcept;
  bool charge(std::size_t bytes);
  net::task<result<void>> wait_to_pin(std::size_t bytes);
  void release_charge() noexcept;
  void leave_fill() noexcept;
  std::uint64_t end() const noexcept;

  reader_context context_;
  std::shared_ptr<mark> mark_;
  std::shared_ptr<fill> fill_; ///< attached to
  std::uint64_t at_;
  std::uint64_t end_;
  std::uint64_t ahead_until_;
  byte_range from_origin_{};         ///< bytes that crossed the boundary for this reader, by a fill of its own
  std::unique_ptr<disk_ahead> disk_; ///< once something was read from there
  byte_range from_cold_;
  version::passed_over without_; ///< what failed us: what is missing comes from elsewhere
  std::size_t charged_bytes_ = 0;
  unsigned fruitless_ = 0; ///< fills followed since the last byte
};

} // namespace forebay::cache
