#include "front/pulled_body.h"

#include <algorithm>
#include <span>

#include "base/text.h"
#include "net/slice.h"

namespace forebay::front {
namespace {

/// Answers to writes are short documents; this holds all of most of them.
constexpr std::size_t piece_bytes_max = 64 * 1024;

class pulled_body final : public http::body_source {
public:
  explicit pulled_body(std::unique_ptr<http::client_body> from) : from_(std::move(from)) {}

  net::task<result<net::slice>> next(std::size_t max_bytes) override {
    std::string piece(std::min(max_bytes, piece_bytes_max), '\0');
    const std::span<std::byte> room(reinterpret_cast<std::byte*>(piece.data()), piece.size());
    result<std::size_t> count = co_await from_->read_some(room);
    if (!count) co_return fail(count.error());
    piece.resize(*count);
    if (piece.empty()) co_return net::slice{};
    co_return net::make_slice(std::move(piece));
  }

private:
  std::unique_ptr<http::client_body> from_;
};

} // namespace

http::response make_pulled_response(http::response_head head, std::unique_ptr<http::client_body> body) {
  http::response answer;
  answer.head = std::move(head);
  const bool bodiless = answer.head.status == 204 || answer.head.status == 304;
  if (const auto length = answer.head.fields.get("content-length"); length && !bodiless)
    answer.length_bytes = parse_u64(*length);
  answer.head.fields.remove("content-length");
  http::remove_hop_by_hop(answer.head.fields);
  if (!bodiless && body != nullptr) answer.body = std::make_unique<pulled_body>(std::move(body));
  return answer;
}

} // namespace forebay::front
