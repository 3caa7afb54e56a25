// Interim answers (102, 103) of an exchange, sent ahead of its final one.
#pragma once

#include <functional>
#include <memory>

#include "http/message.h"
#include "net/stream.h"

namespace forebay::http {

/// Which interim answers of one exchange go on to its reader: 100 and 101 are each connection's own, and an origin that
/// sends very many is not echoed.
class interim_allowance {
public:
  static constexpr unsigned most = 16;
  bool take(unsigned status) noexcept { return status >= 102 && status <= 199 && ++count_ <= most; }

private:
  unsigned count_ = 0;
};

/// Sends what it is given in order, one at a time, while the handler works on. Loop thread only. The connection waits
/// for `settled` before it sends anything else, and outlives what is being sent. One for all exchanges of a connection.
class interim_sender : public std::enable_shared_from_this<interim_sender> {
public:
  interim_sender(net::stream& to, std::chrono::milliseconds send_stall) : to_(to), send_stall_(send_stall) {}

  /// Another exchange begins; `allowed` where its client understands interim answers (RFC 9110 §15.2).
  void begin(bool allowed) noexcept {
    closed_ = !allowed;
    allowance_ = {};
  }
  /// Takes nothing more. True when nothing is on its way: there is nothing to wait for.
  bool close() noexcept {
    closed_ = true;
    return !sending_ && !failed_;
  }
  /// A function that sends, for `request::send_interim`. It does nothing once the sender is closed.
  static std::function<void(const response_head&)> function_of(const std::shared_ptr<interim_sender>& sender);
  /// Waits until all is sent. False when the peer did not take it.
  static net::task<bool> settled(std::shared_ptr<interim_sender> sender);

private:
  void add(const response_head& head);
  static net::task<void> drain(std::shared_ptr<interim_sender> sender);

  net::stream& to_;
  std::chrono::milliseconds send_stall_;
  std::string waiting_;
  bool sending_ = false, closed_ = true, failed_ = false;
  interim_allowance allowance_;
  net::event idle_;
};

} // namespace forebay::http
