// (The helper of the tests, compiled with them: forebay_library takes *_test.cc into the test program alone.)
#include "http/testing/test_front.h"

#include <algorithm>
#include <gtest/gtest.h>

#include "net/testing/waiting.h"

namespace forebay::http::testing {
namespace {

/// Yields `pieces` one by one, whatever is asked for, then fails with `last` or ends.
class listed_body final : public body_source {
public:
  explicit listed_body(std::vector<std::string> pieces, std::optional<error> last = {}) : last_(std::move(last)) {
    for (auto& piece : pieces) pieces_.push_back(std::move(piece));
  }
  net::task<result<net::slice>> next(std::size_t) override {
    EXPECT_FALSE(spent_) << "asked again after its end";
    if (!pieces_.empty()) {
      net::slice piece = net::make_slice(std::move(pieces_.front()));
      pieces_.pop_front();
      co_return piece;
    }
    spent_ = true;
    if (last_) co_return fail(*last_);
    co_return net::slice{};
  }
  const header_table* trailers() const noexcept override { return trailers_.size() > 0 ? &trailers_ : nullptr; }
  header_table trailers_;

private:
  std::deque<std::string> pieces_;
  std::optional<error> last_;
  bool spent_ = false;
};

/// `left` bytes 'x', as many at a time as are asked for.
class steady_body final : public body_source {
public:
  steady_body(std::size_t left, std::size_t& largest) : left_(left), largest_(largest) {}
  net::task<result<net::slice>> next(std::size_t max_bytes) override {
    largest_ = std::max(largest_, max_bytes);
    const std::size_t length = std::min(left_, max_bytes);
    left_ -= length;
    co_return net::make_slice(std::string(length, 'x'));
  }

private:
  std::size_t left_;
  std::size_t& largest_;
};

response text_answer(std::string text) {
  response answer;
  answer.length_bytes = text.size();
  answer.body = make_body(std::move(text));
  return answer;
}

response listed(std::vector<std::string> pieces, std::optional<std::uint64_t> length, std::optional<error> last = {}) {
  response answer;
  answer.length_bytes = length;
  answer.body = std::make_unique<listed_body>(std::move(pieces), std::move(last));
  return answer;
}

response status_answer(unsigned status, std::optional<std::uint64_t> length = {}) {
  response answer;
  answer.head.status = status;
  answer.length_bytes = length;
  return answer;
}

error failure(error_kind kind) { return {kind, "test", "as ordered"}; }

} // namespace

net::task<response> test_front::handle(request& asked) {
  ids.push_back(asked.id);
  const std::string path = asked.head.target;
  if (path == "/throws") throw std::runtime_error("as ordered");
  if (path == "/body") {
    response answer = co_await answer_body(asked);
    co_return answer;
  }
  if (path == "/read-some") {
    const auto some = co_await asked.body->next(5);
    EXPECT_TRUE(some && some->length_bytes() == 5);
    co_return text_answer("read");
  }
  if (path == "/keep-body") {
    kept_body = std::move(asked.body);
    co_return text_answer("kept");
  }
  if (path == "/notes") {
    auto mine = std::make_shared<int>(1);
    note = mine;
    asked.notes = mine;
  }
  if (path == "/interim") {
    response_head hints{103, {}};
    hints.fields.add("Link", "</s.css>");
    hints.fields.add("Connection", "x");
    asked.send_interim({102, {}});
    asked.send_interim(hints);
  }
  co_return answer_path(path);
}

/// The request's body and, in brackets, its trailers; "!kind" where it failed.
net::task<response> test_front::answer_body(request& asked) {
  std::string text;
  for (;;) {
    auto piece = co_await asked.body->next(64 * 1024);
    if (!piece) {
      text += "!" + std::string(to_string(piece.error().kind));
      break;
    }
    if (piece->empty()) break;
    text.append(reinterpret_cast<const char*>(piece->bytes.data()), piece->length_bytes());
  }
  if (const auto* trailers = asked.body->trailers())
    trailers->each([&](std::string_view name, std::string_view value) {
      text.append("[").append(name).append(": ").append(value).append("]");
    });
  co_return text_answer(text);
}

response test_front::answer_framing_fields() {
  response answer = text_answer("body");
  for (const char* name : {"Content-Length", "transfer-encoding", "Connection", "Keep-Alive"})
    answer.head.fields.add(name, "99");
  answer.head.fields.add("X-Kept", "1");
  return answer;
}

response test_front::answer_path(std::string_view path) {
  if (path == "/204") return status_answer(204, 5);
  if (path == "/304") return status_answer(304, 5);
  if (path == "/none") return status_answer(200);
  if (path == "/long-but-null") return status_answer(200, 5);
  if (path == "/framing") return answer_framing_fields();
  if (path == "/chunked") return listed({"one", "two"}, {});
  if (path == "/chunked-empty") return listed({}, {});
  if (path == "/fails-midway") return listed({"one"}, 6, failure(error_kind::broken));
  if (path == "/fails-midway-chunked") return listed({"one"}, {}, failure(error_kind::broken));
  if (path == "/fails-first") return listed({}, 6, failure(error_kind::timeout));
  if (path == "/fails-not-found") return listed({}, 6, failure(error_kind::not_found));
  if (path == "/too-short") return listed({"one"}, 6);
  if (path == "/too-long") return listed({"one", "more"}, 3);
  if (path == "/too-long-later") return listed({"one", "two", "more"}, 7);
  if (path == "/too-long-at-once") return listed({"more"}, 3);
  if (path == "/empty-but-long") return listed({}, 3);
  if (path == "/trailers") {
    auto body = std::make_unique<listed_body>(std::vector<std::string>{"one", "two"});
    body->trailers_.add("X-Sum", "6");
    response answer;
    answer.body = std::move(body);
    return answer;
  }
  if (path == "/long") {
    response answer;
    answer.length_bytes = long_bytes;
    answer.body = std::make_unique<steady_body>(long_bytes, largest_pull);
    return answer;
  }
  response answer = text_answer(path == "/close" ? "bye" : path.substr(0, 6) == "/echo/" ? std::string(path) : "body");
  answer.close = path == "/close";
  if (path == "/shared") answer.shared_fields = std::make_shared<const std::string>("X-Shared: 1\r\n");
  if (path == "/dated") answer.head.fields.add("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
  if (path == "/dated-shared")
    answer.shared_fields =
        std::make_shared<const std::string>("ETag: \"a\"\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
  return answer;
}

void test_front::finished(const exchange_record& record, const response& answer) noexcept {
  EXPECT_EQ(record.status, answer.head.status);
  note_at_finish = note_at_finish || record.asked->notes != nullptr;
  targets.push_back(record.asked->head.target);
  records.push_back(record);
  records.back().asked = nullptr;
  finished_.fetch_add(1, std::memory_order_release);
}

void test_front::await_exchanges(unsigned count) {
  net::testing::eventually([&] { return finished_.load(std::memory_order_acquire) >= count; });
}

response test_front::refuse(const error& why, unsigned status) {
  EXPECT_FALSE(why.context.empty());
  response answer = text_answer("refused");
  answer.head.status = status;
  return answer;
}

net::task<void> expect_cancelled(std::unique_ptr<body_source> body) {
  const auto got = co_await body->next(10);
  EXPECT_TRUE(!got && got.error().kind == error_kind::cancelled);
}

} // namespace forebay::http::testing
