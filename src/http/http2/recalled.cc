#include "http/http2/connection.h"

namespace forebay::http {

bool http2_recalled::answer(std::string_view raw_head, std::int32_t stream, steady_time started) {
  if (!on_.front().recall(raw_head, on_.stream(), answer_)) {
    answer_.clear();
    return false;
  }
  stream_ = stream;
  started_ = answer_.began = started;
  answer_.asked_bytes = raw_head.size();
  answer_.first_byte = std::chrono::steady_clock::now() - started;
  if (answer_.refused_status != 0) { // its words are behind its head, which goes before they have left
    answer_.body[0] = net::make_slice(answer_.head.substr(answer_.head.find("\r\n\r\n") + 4));
    answer_.pieces = 1;
  }
  begin_anew();
  next_piece_ = 0;
  slow_ = false;
  want();
  return true;
}

void http2_recalled::want() noexcept {
  step_ = std::move(answer_.body[next_piece_++]);
  body_ended_ = next_piece_ >= answer_.pieces;
}

bool http2_recalled::waits() noexcept {
  if (closed_ || answer_.told_waiting) return false;
  slow_ = answer_.charge == nullptr;
  on_.front().recall_waits(answer_, on_.stream());
  answer_.told_waiting = true;
  return slow_;
}

void http2_recalled::closed() noexcept {
  if (std::exchange(closed_, true)) return;
  const auto total = std::chrono::steady_clock::now() - started_;
  on_.front().recall_ended(answer_, on_.stream(), sent_bytes_, end_sent_, total);
  step_ = {};
  answer_.clear();
}

} // namespace forebay::http
