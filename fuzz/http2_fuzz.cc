// HTTP/2 connections: no frames may crash, hang or make a handler's answer appear that nobody asked for.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "http/server.h"
#include "http/testing/scripted_stream.h"
#include "net/loop.h"

namespace {

using namespace forebay;

/// Answers with what it was sent, as far as that came.
class echo final : public http::handler {
public:
  net::task<http::response> handle(http::request& asked) override {
    if (asked.head.version != 20 || asked.head.method.empty() || asked.head.target.empty()) std::abort();
    if (asked.head.fields.count("host") > 1) std::abort();
    ++asked_;
    std::string text = asked.head.target;
    while (asked.body != nullptr) {
      const auto piece = co_await asked.body->next(1000);
      if (!piece || piece->empty()) break;
      text.append(reinterpret_cast<const char*>(piece->bytes.data()), piece->length_bytes());
    }
    http::response answer;
    if (text.size() % 2 == 0) answer.length_bytes = text.size();
    answer.body = http::make_body(std::move(text));
    co_return answer;
  }
  void finished(const http::exchange_record&, const http::response&) noexcept override { ++finished_; }
  http::response refuse(const error& why, unsigned status) override {
    ++asked_;
    http::response answer;
    answer.head.status = status;
    answer.length_bytes = why.context.size();
    answer.body = http::make_body(why.context);
    return answer;
  }
  void check() const {
    if (finished_ < asked_) std::abort(); // every exchange ends, and its handler hears of it
  }

private:
  unsigned asked_ = 0, finished_ = 0;
};

net::loop& only_loop() {
  static net::loop_group* const loops = [] {
    auto* made = new net::loop_group(1); // for the length of the process
    made->start();
    return made;
  }();
  return loops->at(0);
}

} // namespace

/// The first byte says how large the pieces are; then comes what follows the preface.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto peer = std::make_shared<http::testing::wire>();
  peer->read_size_limit = data[0] % 4 == 0 ? 16'384 : data[0];
  peer->says("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + std::string(reinterpret_cast<const char*>(data) + 1, size - 1));
  const auto limits = std::make_shared<http::server_limits>();
  limits->header_bytes = 2048;
  // What does not come, or is not taken.
  limits->header_timeout = limits->idle_timeout = std::chrono::milliseconds(1);
  limits->body_timeout = limits->send_stall = std::chrono::milliseconds(1);
  const auto front = std::make_shared<echo>();
  net::run_blocking(only_loop(), http::serve_connection(std::make_unique<http::testing::scripted_stream>(peer), front,
                                                        limits, std::make_shared<std::atomic<bool>>(false)));
  if (!peer->destroyed) std::abort();
  front->check();
  return 0;
}
