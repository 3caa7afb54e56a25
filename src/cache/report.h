// What the cache did for one request: for Cache-Status (RFC 9211), the log and the metrics.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace forebay::cache {

/// Why a request went forward (RFC 9211 §2.2), or that it did not.
enum class forward_reason { none, bypass, method, uri_miss, vary_miss, miss, request, stale, partial };
std::string_view to_string(forward_reason reason) noexcept; ///< "uri-miss" ...

/// Filled in by `content_cache::open` and by the bodies it gives; owned by the request, whose loop alone touches it.
struct lookup_report {
  bool hit = false; ///< answered without going forward
  forward_reason forwarded = forward_reason::none;
  bool stored = false;    ///< what came is kept
  bool collapsed = false; ///< waited for somebody else's exchange or fill
  bool stale = false;     ///< a stale answer was served (its origin failed, or is being asked)
  std::optional<unsigned> forward_status;
  std::optional<std::int64_t> ttl_seconds; ///< freshness left; negative when stale
  std::string detail;                      ///< a word for people: "no-validator", "origin-unreachable", "cold"
  std::string origin;                      ///< name of the origin that stands behind the answer

  /// Of the body, by where they came from.
  std::uint64_t memory_bytes = 0, disk_bytes = 0, cold_bytes = 0, origin_bytes = 0;

  /// The field's value: `forebay; hit; ttl=60` or `forebay; fwd=miss; fwd-status=200; stored; collapsed`.
  std::string cache_status() const;
  /// One word for metrics: hit, miss, partial, stale, revalidated, pass, negative_hit, error.
  std::string_view outcome() const noexcept;
  /// Forgets what an earlier try of the same request said; the bytes that it read stay counted.
  void begin_again();
  bool revalidated = false;
  bool negative = false;
  bool passed = false;
};

} // namespace forebay::cache
