// A loop with a client on it, for tests that speak to origins.
#pragma once

#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "http/client.h"
#include "net/loop.h"

namespace forebay::http::testing {

/// What came of one exchange.
struct fetched {
  unsigned status = 0;
  header_table fields, trailers;
  std::string body;
  std::optional<error> failed;      ///< of the head
  std::optional<error> body_failed; ///< of the body
  std::size_t reads = 0;
};

inline net::task<void> install_client(std::shared_ptr<const client_settings> settings) {
  client::install(settings == nullptr ? nullptr : std::make_unique<client>(settings));
  co_return;
}

inline net::task<void> read_all(client_body* body, std::size_t span_bytes, fetched* out) {
  std::vector<std::byte> room(span_bytes);
  for (;;) {
    auto got = co_await body->read_some(room);
    if (!got) {
      out->body_failed = std::move(got.error());
      break;
    }
    if (*got == 0) {
      if (const header_table* const came = body->trailers()) out->trailers = *came;
      break;
    }
    ++out->reads;
    out->body.append(reinterpret_cast<const char*>(room.data()), *got);
  }
}

inline net::task<void> fetch_task(std::shared_ptr<client_request> asked, std::chrono::milliseconds within,
                                  std::size_t span_bytes, fetched* out) {
  auto answer = co_await client::current().send(std::move(*asked), net::deadline::after(within));
  if (!answer) {
    out->failed = std::move(answer.error());
    co_return;
  }
  out->status = answer->head.status;
  out->fields = answer->head.fields;
  co_await read_all(answer->body.get(), span_bytes, out);
}

/// Settings of tests: loopback is allowed, short deadlines.
inline client_settings test_settings() {
  client_settings settings;
  settings.addresses.allowed = {*net::ip_network::parse("127.0.0.0/8")};
  settings.limits.connect_timeout = std::chrono::milliseconds(2000);
  settings.limits.first_byte_timeout = std::chrono::milliseconds(5000);
  settings.limits.stall_timeout = std::chrono::milliseconds(5000);
  return settings;
}

class client_test : public ::testing::Test {
protected:
  client_test() {
    std::signal(SIGPIPE, SIG_IGN); // as the program does
    loops_ = std::make_unique<net::loop_group>(1);
    loops_->start();
    use(test_settings());
  }
  ~client_test() override { end(); }

  /// Ends the loop; coroutines that still wait are destroyed.
  void end() {
    if (loops_ == nullptr) return;
    net::run_blocking(loop(), install_client(nullptr));
    loops_->stop();
    loops_.reset();
  }
  void use(client_settings settings) {
    net::run_blocking(loop(), install_client(std::make_shared<const client_settings>(std::move(settings))));
  }
  net::loop& loop() { return loops_->at(0); }

  fetched fetch(client_request asked, std::size_t span_bytes = 64 * 1024,
                std::chrono::milliseconds within = std::chrono::seconds(20)) {
    fetched out;
    net::run_blocking(loop(), fetch_task(std::make_shared<client_request>(std::move(asked)), within, span_bytes, &out));
    return out;
  }
  fetched get(std::string url) {
    client_request asked;
    asked.url = std::move(url);
    return fetch(std::move(asked));
  }

private:
  std::unique_ptr<net::loop_group> loops_;
};

} // namespace forebay::http::testing
