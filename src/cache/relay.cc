#include "cache/relay.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/text.h"
#include "http/trailers.h"
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
      if (*got == 0) {
        take_trailers();
        co_return net::slice{};
      }
      const auto dropped = static_cast<std::size_t>(std::min<std::uint64_t>(skip_, *got));
      skip_ -= dropped;
      if (dropped == *got) continue;
      const std::size_t kept = *got - dropped;
      left_ -= std::min<std::uint64_t>(left_, kept);
      if (report_ != nullptr) report_->origin_bytes += kept;
      co_return net::slice{-1, 0, std::span<const std::byte>(buffer->bytes).subspan(dropped, kept), hold};
    }
  }

  const http::header_table* trailers() const noexcept override { return trailers_.size() > 0 ? &trailers_ : nullptr; }

private:
  void take_trailers() {
    const http::header_table* const came = from_->trailers();
    if (came == nullptr) return;
    trailers_ = *came;
    http::remove_unfit_trailers(trailers_);
  }

  std::unique_ptr<http::client_body> from_;
  http::header_table trailers_;
  std::uint64_t skip_;
  std::uint64_t left_;
  lookup_report* report_;
};

/// What of `sent` (part of an object of `total` bytes) a reader wanted who asked for `range`. Empty where the range
/// begins in the grain of the object's end, but behind it.
byte_range wanted_of(byte_range sent, const http::range_spec& range, std::optional<std::uint64_t> total) {
  if (total) return intersect(sent, http::resolve(range, *total).value_or(byte_range{}));
  if (range.is_suffix()) return {sent.end - std::min(sent.length_bytes(), range.last.value_or(0)), sent.end};
  const std::uint64_t last = range.last.value_or(UINT64_MAX);
  return intersect(sent, {*range.first, last == UINT64_MAX ? last : last + 1});
}

} // namespace

result<http::response> relay(origin::read_answer answer, std::optional<http::range_spec> range, bool head_only,
                             lookup_report* report) {
  http::response made;
  made.head.status = answer.status;
  made.head.version = answer.version;
  answer.fields.each([&](std::string_view name, std::string_view value) {
    if (!iequals(name, "content-length") && !iequals(name, "content-range")) made.head.fields.add(name, value);
  });
  std::uint64_t skip = 0, limit = UINT64_MAX;
  if (answer.status == 206 && answer.range) {
    const byte_range sent = range ? wanted_of(*answer.range, *range, answer.length_bytes) : *answer.range;
    if (sent.empty()) return fail(error_kind::range_unsatisfiable, "cache", "the range lies beyond the object");
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
