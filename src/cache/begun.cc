// Bodies that begin with what is there already.
#include <algorithm>

#include "cache/cache.h"

namespace forebay::cache {
namespace {

/// A body whose first slice was taken already.
class begun_body final : public http::body_source {
public:
  begun_body(std::unique_ptr<http::body_source> rest, net::slice first)
      : rest_(std::move(rest)), first_(std::move(first)) {}
  net::task<result<net::slice>> next(std::size_t max_bytes) override {
    if (!first_.empty()) {
      net::slice given = first_.part(0, std::min(max_bytes, first_.length_bytes()));
      first_ = given.length_bytes() == first_.length_bytes()
                   ? net::slice{}
                   : first_.part(given.length_bytes(), first_.length_bytes() - given.length_bytes());
      co_return given;
    }
    if (ended_) co_return net::slice{};
    auto more = co_await rest_->next(max_bytes);
    co_return more;
  }
  const http::header_table* trailers() const noexcept override { return rest_->trailers(); }
  bool ended_ = false;

private:
  std::unique_ptr<http::body_source> rest_;
  net::slice first_;
};

/// As much as a connection takes in one go.
constexpr std::size_t first_slice_bytes = 1u << 20;

} // namespace

net::task<result<std::unique_ptr<http::body_source>>> opened::begin(std::unique_ptr<http::body_source> body) {
  auto first = co_await body->next(first_slice_bytes);
  if (!first) co_return fail(first.error());
  const bool ended = first->empty();
  auto begun = std::make_unique<begun_body>(std::move(body), std::move(*first));
  begun->ended_ = ended;
  co_return std::unique_ptr<http::body_source>(std::move(begun));
}

} // namespace forebay::cache
