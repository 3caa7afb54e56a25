#include "base/result.h"

#include <fmt/format.h>

namespace forebay {

std::string_view to_string(error_kind kind) noexcept {
  switch (kind) {
  case error_kind::invalid_input: return "invalid_input";
  case error_kind::unauthorised: return "unauthorised";
  case error_kind::forbidden: return "forbidden";
  case error_kind::not_found: return "not_found";
  case error_kind::gone: return "gone";
  case error_kind::range_unsatisfiable: return "range_unsatisfiable";
  case error_kind::changed: return "changed";
  case error_kind::throttled: return "throttled";
  case error_kind::timeout: return "timeout";
  case error_kind::unreachable: return "unreachable";
  case error_kind::broken: return "broken";
  case error_kind::unsupported: return "unsupported";
  case error_kind::exhausted: return "exhausted";
  case error_kind::cancelled: return "cancelled";
  case error_kind::internal: return "internal";
  }
  return "internal";
}

std::string error::message() const {
  if (source.empty()) return fmt::format("{} ({})", context, to_string(kind));
  return fmt::format("{}: {} ({})", source, context, to_string(kind));
}

} // namespace forebay
