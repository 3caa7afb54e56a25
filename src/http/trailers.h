// Trailer fields on their way through (RFC 9110 §6.5).
#pragma once

#include <atomic>

#include "http/headers.h"

namespace forebay::http {

/// Removes what must not come behind a body, or not from somewhere else (RFC 9110 §6.5.1): framing, routing,
/// credentials, how the content is to be read, and what caches decide by.
void remove_unfit_trailers(header_table& fields);

/// The trailers of a body that others may read than who takes it. Thread-safe: set once, then read.
class late_trailers {
public:
  void set(header_table fields) {
    fields_ = std::move(fields);
    there_.store(fields_.size() > 0, std::memory_order_release);
  }
  /// Null while there are none.
  const header_table* get() const noexcept { return there_.load(std::memory_order_acquire) ? &fields_ : nullptr; }

private:
  header_table fields_;
  std::atomic<bool> there_{false};
};

} // namespace forebay::http
