// Answers given at once to requests that came before, byte for byte.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/byte_range.h"
#include "base/clock.h"
#include "base/result.h"
#include "net/slice.h"

namespace forebay::http {

/// An answer that a front knows without parsing, waiting or allocating: what `handler::recall` makes. Used again for
/// the next one, so that its memory goes round.
struct recalled {
  static constexpr std::size_t pieces_max = 4;

  std::string head;      ///< status line and fields, with the empty line
  std::size_t id_at = 0; ///< of X-Request-Id's value in it
  std::array<net::slice, pieces_max> body;
  std::size_t pieces = 0;
  std::uint64_t body_bytes = 0;
  byte_range part{};                ///< of the object that the body is
  std::shared_ptr<const void> from; ///< the front's own, for `recall_ended`
  std::shared_ptr<void> charge;     ///< the front's own, while the answer waits for a slow reader
  std::size_t asked_bytes = 0;      ///< of the request's head
  bool told_waiting = false;        ///< `recall_waits` was called
  unsigned refused_status = 0;      ///< not 0: no hit, but a refusal with this status, and its words in `head`
  error_kind refused_kind{};        ///< with it
  steady_time began{};
  std::chrono::nanoseconds first_byte{}; ///< from `began` to the first attempt to send

  /// Lets go of everything but memory.
  void clear() noexcept {
    for (std::size_t i = 0; i < pieces; ++i) body[i] = {};
    pieces = 0;
    body_bytes = 0;
    told_waiting = false;
    refused_status = 0;
    head.clear();
    from.reset();
    charge.reset();
  }
};

} // namespace forebay::http
