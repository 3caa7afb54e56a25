#include "cache/relay.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/text.h"
#include "net/wait.h"

namespace forebay::cache {
namespace {

constexpr std::size_t relay_bytes = 64 * 1024;

struct relay_buffer final : net::pinnable {
  std::array<std::byte, relay_bytes> bytes;
  void released() noexcept override { delete this; }
};

/// Bytes [skip, skip + limit) of an origin's body, buffer by buffer.
class relayed_body final : public http::body_source {
public:
  relayed_body(std::unique_ptr<http::client_body> from, std::uint64_t skip, std::uint64_t limit, lookup_report* report)
      : from_(std::move(from)), skip_(skip), left_(limit), report_(report) {}

  net::task<result<net::slice>> next(std::size_t max_bytes) override {
    if (left_ == 0) co_return net::slice{};
    auto* buffer = new relay_buffer;
    const net::pin hold(buffer);
    for (;;) {
      const auto most = static_cast<std::size_t>(std::min<std::uint64_t>({max_bytes, relay_bytes, skip_ + left_}));
      auto got = co_await from_->read_some(std::span(buffer->bytes).first(most));
      if (!got) co_return fail(got.error());
      if (*got == 0) co_return net::slice{};
      const auto dropped = static_cast<std::size_t>(std::min<std::uint64_t>(skip_, *got));
      skip_ -= dropped;
      if (dropped == *got) continue;
      const std::size_t kept = *got - dropped;
      left_ -= std::min<std::uint64_t>(left_, kept);
      if (report_ != nullptr) report_->origin_bytes += kept;
      co_return net::slice{-1, 0, std::span<const std::byte>(buffer->bytes).subspan(dropped, kept), hold};
    }
  }

private:
  std::unique_ptr<http::client_body> from_;
  std::uint64_t skip_;
  std::uint64_t left_;
  lookup_report* report_;
};

} // namespace

http::response relay(origin::read_answer answer, std::optional<http::range_spec> range, bool head_only,
                     lookup_report* report) {
  http::response made;
  made.head.status = answer.status;
  answer.fields.each([&](std::string_view name, std::string_view value) {
    if (!iequals(name, "content-length") && !iequals(name, "content-range")) made.head.fields.add(name, value);
  });
  std::uint64_t skip = 0, limit = UINT64_MAX;
  if (answer.status == 206 && answer.range) {
    byte_range sent = *answer.range;
    if (range && answer.length_bytes)
      sent = intersect(sent, http::resolve(*range, *answer.length_bytes).value_or(sent));
    if (range && !answer.length_bytes && range->first) {
      sent = intersect(sent, {*range->first, range->last ? *range->last + 1 : sent.end});
    }
    skip = sent.begin - answer.range->begin;
    limit = sent.length_bytes();
    made.head.fields.set("Content-Range", http::format_content_range(sent, answer.length_bytes));
    made.length_bytes = limit;
  } else if (answer.length_bytes) {
    limit = *answer.length_bytes;
    made.length_bytes = limit;
  }
  if (!head_only && answer.body != nullptr) {
    made.body = std::make_unique<relayed_body>(std::move(answer.body), skip, limit, report);
  }
  return made;
}

} // namespace forebay::cache
