#include "cache/messages/message_body.h"

#include <algorithm>

#include "cache/relay.h"

namespace forebay::cache::messages {
namespace {

class joined_body final : public http::body_source {
public:
  joined_body(reader_context with, std::vector<segment> segments, std::shared_ptr<const http::late_trailers> trailers)
      : with_(std::move(with)), segments_(std::move(segments)), trailers_(std::move(trailers)) {}

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

  const http::header_table* trailers() const noexcept override {
    return trailers_ != nullptr && at_ == segments_.size() ? trailers_->get() : nullptr;
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
  std::shared_ptr<const http::late_trailers> trailers_;
  std::size_t at_ = 0;
  std::unique_ptr<http::body_source> reading_;
};

class noting_body final : public http::client_body {
public:
  noting_body(std::unique_ptr<http::client_body> from, std::shared_ptr<http::late_trailers> into)
      : from_(std::move(from)), into_(std::move(into)) {}
  net::task<result<std::size_t>> read_some(std::span<std::byte> room) override {
    auto got = co_await from_->read_some(room);
    const http::header_table* const came = got && *got == 0 ? from_->trailers() : nullptr;
    if (came != nullptr) {
      http::header_table fields = *came;
      http::remove_unfit_trailers(fields);
      into_->set(std::move(fields));
    }
    co_return got;
  }
  bool at_end() const noexcept override { return from_->at_end(); }

private:
  std::unique_ptr<http::client_body> from_;
  std::shared_ptr<http::late_trailers> into_;
};

} // namespace

std::unique_ptr<http::body_source> make_joined_body(reader_context with, std::vector<segment> segments,
                                                    std::shared_ptr<const http::late_trailers> trailers) {
  return std::make_unique<joined_body>(std::move(with), std::move(segments), std::move(trailers));
}

std::unique_ptr<http::client_body> note_trailers(std::unique_ptr<http::client_body> from,
                                                 std::shared_ptr<http::late_trailers> into) {
  return std::make_unique<noting_body>(std::move(from), std::move(into));
}

std::unique_ptr<http::body_source> make_passing_body(std::unique_ptr<http::client_body> from, lookup_report* report) {
  origin::read_answer whole;
  whole.body = std::move(from);
  auto relayed = relay(std::move(whole), std::nullopt, false, report);
  return relayed ? std::move(relayed->body) : nullptr;
}

} // namespace forebay::cache::messages
