#include "http/interim.h"

#include <array>
#include <fmt/format.h>

#include "net/loop.h"

namespace forebay::http {

std::function<void(const response_head&)> interim_sender::function_of(const std::shared_ptr<interim_sender>& sender) {
  return [weak = std::weak_ptr(sender)](const response_head& head) {
    if (const auto alive = weak.lock()) alive->add(head);
  };
}

void interim_sender::add(const response_head& head) {
  if (closed_ || failed_ || !allowance_.take(head.status)) return;
  header_table fields = head.fields;
  remove_hop_by_hop(fields);
  waiting_ += fmt::format("HTTP/1.1 {} {}\r\n", head.status, reason_phrase(head.status));
  fields.render_to(waiting_);
  waiting_ += "\r\n";
  if (sending_) return;
  sending_ = true;
  net::loop::current().spawn(drain(shared_from_this()));
}

net::task<void> interim_sender::drain(std::shared_ptr<interim_sender> sender) {
  while (!sender->waiting_.empty() && !sender->failed_) {
    const std::array<net::slice, 1> piece{net::make_slice(std::exchange(sender->waiting_, {}))};
    const auto sent = co_await sender->to_.send(piece, false, sender->send_stall_);
    sender->failed_ = !sent;
  }
  sender->sending_ = false;
  sender->idle_.notify();
}

net::task<bool> interim_sender::settled(std::shared_ptr<interim_sender> sender) {
  const auto until = net::deadline::after(2 * sender->send_stall_);
  while (sender->sending_) {
    const bool told = co_await sender->idle_.wait(until);
    if (!told) co_return false;
  }
  co_return !sender->failed_;
}

} // namespace forebay::http
