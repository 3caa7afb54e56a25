// A handler whose answers are chosen by the path, for tests of connections.
#pragma once

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

#include "http/server.h"
#include "http/testing/scripted_stream.h"

namespace forebay::http::testing {

class test_front final : public handler {
public:
  static constexpr std::size_t long_bytes = 9 * 1024 * 1024 + 17;

  net::task<response> handle(request& asked) override;
  void finished(const exchange_record& record, const response& answer) noexcept override;
  response refuse(const error& why, unsigned status) override;

  unsigned exchanges() const noexcept { return finished_; } ///< that have ended
  /// Waits on another thread until so many exchanges have ended; a failure of the test after 20 s.
  void await_exchanges(unsigned count);

  std::vector<exchange_record> records; ///< their `asked` is gone
  std::vector<std::string> targets, ids;
  std::size_t largest_pull = 0;
  std::unique_ptr<body_source> kept_body;
  std::weak_ptr<void> note;
  bool note_at_finish = false;

private:
  std::atomic<unsigned> finished_{0};

  net::task<response> answer_body(request& asked);
  response answer_framing_fields();
  response answer_path(std::string_view path);
};

/// A coroutine that expects that `body` says `cancelled`.
net::task<void> expect_cancelled(std::unique_ptr<body_source> body);

} // namespace forebay::http::testing
