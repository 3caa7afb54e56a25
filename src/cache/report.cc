#include "cache/report.h"

namespace forebay::cache {

std::string_view to_string(forward_reason reason) noexcept {
  switch (reason) {
  case forward_reason::none: return "none";
  case forward_reason::bypass: return "bypass";
  case forward_reason::method: return "method";
  case forward_reason::uri_miss: return "uri-miss";
  case forward_reason::vary_miss: return "vary-miss";
  case forward_reason::miss: return "miss";
  case forward_reason::request: return "request";
  case forward_reason::stale: return "stale";
  case forward_reason::partial: return "partial";
  }
  return "none";
}

void lookup_report::begin_again() {
  lookup_report fresh;
  fresh.memory_bytes = memory_bytes;
  fresh.disk_bytes = disk_bytes;
  fresh.cold_bytes = cold_bytes;
  fresh.origin_bytes = origin_bytes;
  *this = std::move(fresh);
}

std::string lookup_report::cache_status() const {
  std::string value = "forebay";
  // RFC 9211 §2.6: who waited for another's exchange would have gone forward, and is no hit.
  const bool waited = collapsed && forwarded != forward_reason::none;
  if (hit && !waited) value += "; hit";
  if (forwarded != forward_reason::none) {
    value += "; fwd=";
    value += to_string(forwarded);
  }
  if (forward_status) value += "; fwd-status=" + std::to_string(*forward_status);
  if (ttl_seconds) value += "; ttl=" + std::to_string(*ttl_seconds);
  if (stored) value += "; stored";
  if (collapsed) value += "; collapsed";
  if (!detail.empty()) value += "; detail=" + detail;
  return value;
}

std::string_view lookup_report::outcome() const noexcept {
  if (passed) return "pass";
  if (stale) return "stale";
  if (negative) return "negative_hit";
  if (revalidated) return "revalidated";
  if (hit) return "hit";
  switch (forwarded) {
  case forward_reason::none: return "error";
  case forward_reason::partial: return "partial";
  default: return "miss";
  }
}

} // namespace forebay::cache
