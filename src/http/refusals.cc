#include "http/refusals.h"

#include "base/limit_counter.h"

namespace forebay::http {

void count_refusal(unsigned status, bool too_many_fields) {
  switch (status) {
  case 408: metrics::refused_by("header_timeout").add(); break;
  case 413: metrics::refused_by("body_bytes").add(); break;
  case 414: metrics::refused_by("target_bytes").add(); break;
  case 431: metrics::refused_by(too_many_fields ? "header_fields" : "header_bytes").add(); break;
  default: break;
  }
}

error refuse_body(unsigned status) {
  if (status == 413) metrics::refused_by("body_bytes").add();
  if (status == 408) return {error_kind::timeout, "request body", "it did not come in time"};
  return {error_kind::invalid_input, "request body",
          status == 413 ? "it is larger than this node takes" : "its chunks are malformed"};
}

void count_idle() { metrics::refused_by("idle_timeout").add(); }

void count_slow_body(bool moves) { metrics::refused_by(moves ? "slow_sender" : "body_timeout").add(); }

} // namespace forebay::http
