// A body that ends with the right to read it.
#pragma once

#include <memory>

#include "base/clock.h"
#include "http/message.h"

namespace forebay::front {

/// Passes a body on until `until` by the wall clock; from then on it fails, and the connection breaks off visibly (over
/// HTTP/2 the stream): the reader asks for the rest with a new token. Loop thread only; `time` outlives it.
class expiring_body final : public http::body_source {
public:
  expiring_body(std::unique_ptr<http::body_source> inner, wall_time until, const clock& time)
      : inner_(std::move(inner)), until_(until), time_(time) {}

  net::task<result<net::slice>> next(std::size_t max_bytes) override {
    return time_.wall() < until_ ? inner_->next(max_bytes) : end();
  }
  const http::header_table* trailers() const noexcept override { return inner_->trailers(); }

private:
  static net::task<result<net::slice>> end() {
    co_return fail(error_kind::unauthorised, "token", "the reader's token ended while the answer was sent");
  }

  const std::unique_ptr<http::body_source> inner_;
  const wall_time until_;
  const clock& time_;
};

} // namespace forebay::front
