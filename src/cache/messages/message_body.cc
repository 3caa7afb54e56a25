#include "cache/messages/message_body.h"

#include <algorithm>

#include "cache/relay.h"

namespace forebay::cache::messages {
namespace {

class joined_body final : public http::body_source {
public:
  joined_body(reader_context with, std::vector<segment> segments)
      : with_(std::move(with)), segments_(std::move(segments)) {}

  net::task<result<net::slice>> next(std::size_t max_bytes) override {
    while (at_ < segments_.size()) {
      if (reading_ == nullptr) reading_ = open(segments_[at_]);
      auto got = co_await reading_->next(max_bytes);
      if (!got || !got->empty()) co_return got;
      reading_.reset();
      ++at_;
    }
    co_return net::slice{};
  }

private:
  std::unique_ptr<http::body_source> open(segment& one) const {
    if (!one.bytes) return http::make_body(std::move(one.text));
    reader_context of = with_;
    of.own = with_.of == one.bytes->bytes ? byte_range{0, version::length_unknown} : byte_range{};
    of.of = one.bytes->bytes;
    return std::make_unique<reader>(std::move(of), one.bytes->range, one.bytes->range.end);
  }

  reader_context with_;
  std::vector<segment> segments_;
  std::size_t at_ = 0;
  std::unique_ptr<http::body_source> reading_;
};

} // namespace

std::unique_ptr<http::body_source> make_joined_body(reader_context with, std::vector<segment> segments) {
  return std::make_unique<joined_body>(std::move(with), std::move(segments));
}

std::unique_ptr<http::body_source> make_passing_body(std::unique_ptr<http::client_body> from, lookup_report* report) {
  origin::read_answer whole;
  whole.body = std::move(from);
  auto relayed = relay(std::move(whole), std::nullopt, false, report);
  return relayed ? std::move(relayed->body) : nullptr;
}

} // namespace forebay::cache::messages
