#include "http/http2/guard.h"

#include <array>

namespace forebay::http {
namespace {

metrics::counter& limit_counter(std::string_view limit) {
  const std::array<metrics::label, 1> labels{{{"limit", limit}}};
  return metrics::global().get_counter("forebay_http2_limited_total",
                                       "HTTP/2 connections ended or streams refused, by the limit that was reached",
                                       labels);
}

} // namespace

http2_counts& http2_metrics() {
  static http2_counts counts{
      metrics::global().get_counter("forebay_http2_connections_total", "Connections that spoke HTTP/2"),
      metrics::global().get_counter("forebay_http2_streams_total", "Requests that came by HTTP/2"),
      limit_counter("http2.resets_per_second"),
      limit_counter("http2.control_frames_per_second"),
      limit_counter("limits.header_bytes"),
      limit_counter("http2.streams"),
      limit_counter("limits.header_timeout"),
      limit_counter("limits.send_stall")};
  return counts;
}

} // namespace forebay::http
