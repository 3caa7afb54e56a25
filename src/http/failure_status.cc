#include "http/failure_status.h"

namespace forebay::http {

unsigned failure_status(error_kind kind) noexcept {
  switch (kind) {
  case error_kind::timeout: return 504;
  case error_kind::throttled:
  case error_kind::exhausted: return 503;
  case error_kind::internal: return 500;
  default: return 502;
  }
}

} // namespace forebay::http
