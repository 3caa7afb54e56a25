// Sources against scripted origins, for tests.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "http/testing/client_fixture.h"
#include "http/testing/raw_origin.h"
#include "origin/factory.h"

namespace forebay::origin::testing {

using http::testing::raw_connection;
using http::testing::raw_origin;

/// What came of a read, its body read to the end.
struct outcome {
  std::optional<read_answer> answer;
  std::string body;
  std::optional<error> failed;
};

inline net::task<void> read_task(std::shared_ptr<source> from, std::shared_ptr<read_request> asked, outcome* out) {
  auto answer = co_await from->read(std::move(*asked));
  if (!answer) {
    out->failed = std::move(answer.error());
    co_return;
  }
  if (answer->body != nullptr) {
    http::testing::fetched text;
    co_await http::testing::read_all(answer->body.get(), 64 * 1024, &text);
    out->body = std::move(text.body);
    out->failed = std::move(text.body_failed);
    answer->body.reset();
  }
  out->answer = std::move(*answer);
}

inline net::task<void> list_task(std::shared_ptr<source> from, list_request asked, result<listing>* out) {
  *out = co_await from->list(std::move(asked));
}

struct written {
  unsigned status = 0;
  std::string body;
  std::optional<error> failed;
};
inline net::task<void> write_task(std::shared_ptr<source> to, std::shared_ptr<write_request> asked, written* out) {
  auto answer = co_await to->write(std::move(*asked));
  if (!answer) {
    out->failed = std::move(answer.error());
    co_return;
  }
  out->status = answer->head.status;
  http::testing::fetched text;
  co_await http::testing::read_all(answer->body.get(), 1024, &text);
  out->body = std::move(text.body);
}

/// Short waits, so that failing origins are done with quickly.
inline source_settings quick_settings() {
  source_settings settings;
  settings.limits.read_timeout = std::chrono::milliseconds(10'000);
  settings.limits.retry_base = std::chrono::milliseconds(1);
  settings.limits.retry_cap = std::chrono::milliseconds(5);
  settings.node_name = "node-1";
  settings.operator_named = true;
  return settings;
}

/// The heads that an origin saw, in order. Thread-safe.
class seen_heads {
public:
  void add(std::string head) {
    const std::lock_guard lock(mutex_);
    heads_.push_back(std::move(head));
  }
  std::vector<std::string> all() const {
    const std::lock_guard lock(mutex_);
    return heads_;
  }
  std::string last() const { return all().empty() ? std::string() : all().back(); }
  std::size_t size() const { return all().size(); }

private:
  mutable std::mutex mutex_;
  std::vector<std::string> heads_;
};

class source_test : public http::testing::client_test {
protected:
  std::shared_ptr<source> open(std::string_view url, const source_settings& settings = quick_settings()) {
    auto made = make_source(url, settings);
    EXPECT_TRUE(made) << (made ? "" : made.error().message());
    return made ? *made : nullptr;
  }
  outcome read(const std::shared_ptr<source>& from, read_request asked) {
    outcome out;
    net::run_blocking(loop(), read_task(from, std::make_shared<read_request>(std::move(asked)), &out));
    return out;
  }
  outcome read(const std::shared_ptr<source>& from, std::string key) {
    read_request asked;
    asked.key = std::move(key);
    return read(from, std::move(asked));
  }
  result<listing> list(const std::shared_ptr<source>& from, list_request asked) {
    result<listing> out;
    net::run_blocking(loop(), list_task(from, std::move(asked), &out));
    return out;
  }
  written write(const std::shared_ptr<source>& to, write_request asked) {
    written out;
    net::run_blocking(loop(), write_task(to, std::make_shared<write_request>(std::move(asked)), &out));
    return out;
  }
};

/// Answers each request with the next of the given raw texts (the last one again and again).
inline raw_origin::script in_turn(std::vector<std::string> raws, seen_heads* heads = nullptr) {
  auto next = std::make_shared<std::atomic<std::size_t>>(0);
  return [raws = std::move(raws), heads, next](raw_connection& peer) {
    for (;;) {
      std::string head = peer.read_head();
      if (head.empty()) return;
      if (heads != nullptr) heads->add(std::move(head));
      const std::size_t turn = std::min(next->fetch_add(1), raws.size() - 1);
      if (raws[turn].empty()) return; // an empty text: the connection breaks without an answer
      peer.write(raws[turn]);
      if (raws[turn].find("Connection: close") != std::string::npos) return;
    }
  };
}

/// A whole answer with its length.
inline std::string raw_answer(std::string_view status, std::string_view fields, std::string_view body) {
  return "HTTP/1.1 " + std::string(status) + "\r\n" + std::string(fields) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

} // namespace forebay::origin::testing
