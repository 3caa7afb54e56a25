// Bodies between libcurl and a reader: pulled, left, destroyed, sent.
#include "http/client.h"

#include <gmock/gmock.h>

#include "http/testing/client_fixture.h"
#include "http/testing/raw_origin.h"

namespace forebay::http {
namespace {

using testing::fetched;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::raw_connection;
using testing::raw_origin;

class ClientBodyTest : public testing::client_test {};

/// A body in which every offset can be told from the others.
std::string pattern(std::size_t length) {
  std::string text(length, '\0');
  std::uint32_t state = 12345;
  for (char& c : text) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24);
  }
  return text;
}

TEST_F(ClientBodyTest, CarriesLargeBodiesInAnyPortions) {
  const std::string body = pattern(5'000'000);
  raw_origin server([&](raw_connection& peer) {
    while (!peer.read_head().empty()) peer.answer("200 OK", "", body);
  });
  for (const std::size_t span : {1000u, 16384u, 100'000u, 1u << 20, 8u << 20}) {
    client_request asked;
    asked.url = server.url("/");
    const fetched got = fetch(std::move(asked), span);
    ASSERT_FALSE(got.body_failed) << got.body_failed->message();
    EXPECT_TRUE(got.body == body) << "span " << span << " length " << got.body.size();
  }
  EXPECT_EQ(server.connections(), 1u);
}

TEST_F(ClientBodyTest, CarriesLargeChunkedBodies) {
  const std::string body = pattern(3'000'000);
  raw_origin server([&](raw_connection& peer) {
    if (peer.read_head().empty()) return;
    peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    std::size_t at = 0;
    for (std::size_t size = 1; at < body.size(); size = size * 3 + 1) {
      const std::string piece = body.substr(at, size > 70'000 ? 70'000 : size);
      char line[16];
      std::snprintf(line, sizeof line, "%zx\r\n", piece.size());
      peer.write(line + piece + "\r\n");
      at += piece.size();
    }
    peer.write("0\r\n\r\n");
  });
  for (const std::size_t span : {777u, 300'000u}) {
    client_request asked;
    asked.url = server.url("/");
    const fetched got = fetch(std::move(asked), span);
    ASSERT_FALSE(got.body_failed) << got.body_failed->message();
    EXPECT_TRUE(got.body == body) << "span " << span << " length " << got.body.size();
  }
}

/// Takes the head, then waits until told before it reads the body.
net::task<void> hold_task(std::string url, net::event go, testing::gate* headed, fetched* out) {
  client_request asked;
  asked.url = std::move(url);
  auto answer = co_await client::current().send(std::move(asked), net::deadline::after(std::chrono::seconds(20)));
  if (!answer) co_return;
  headed->open();
  const bool told = co_await go.wait(net::deadline::after(std::chrono::seconds(20)));
  if (!told) co_return;
  co_await testing::read_all(answer->body.get(), 128 * 1024, out);
}

net::task<void> make_event(std::optional<net::event>* out) {
  out->emplace();
  co_return;
}

TEST_F(ClientBodyTest, ReadsNothingWhileNobodyReads) {
  const std::string body = pattern(64 << 20);
  std::atomic<std::size_t> written{0};
  testing::gate headed, full;
  raw_origin server([&](raw_connection& peer) {
    if (peer.read_head().empty()) return;
    peer.write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n");
    // Until the kernels' buffers are full and turns of the client's loop, which would read on, make no more room.
    constexpr unsigned turns = 100;
    std::string_view rest = body;
    for (unsigned stuck = 0; stuck < turns && !rest.empty();) {
      const std::size_t taken = peer.write_what_fits(rest);
      rest.remove_prefix(taken);
      written += taken;
      stuck = taken > 0 ? 0 : stuck + 1;
      net::run_blocking(loop(), net::yield());
    }
    full.open();
    peer.write(rest);
  });
  std::optional<net::event> go;
  net::run_blocking(loop(), make_event(&go));
  fetched got;
  std::thread reader([&] { net::run_blocking(loop(), hold_task(server.url("/"), *go, &headed, &got)); });
  ASSERT_TRUE(headed.wait());
  ASSERT_TRUE(full.wait());
  EXPECT_LT(written, body.size() / 2) << "the whole body was pulled in without a reader";
  go->notify();
  reader.join();
  EXPECT_TRUE(got.body == body);
}

// Leaving early, at every phase.

net::task<void> leave_after(std::string url, std::size_t bytes, bool* headed) {
  client_request asked;
  asked.url = std::move(url);
  auto answer = co_await client::current().send(std::move(asked), net::deadline::after(std::chrono::seconds(20)));
  if (!answer) co_return;
  *headed = true;
  std::vector<std::byte> room(4096);
  while (bytes > 0) {
    auto got = co_await answer->body->read_some(std::span(room).first(std::min(bytes, room.size())));
    if (!got || *got == 0) co_return;
    bytes -= *got;
  }
}

TEST_F(ClientBodyTest, LeavingEndsTheTransferAtOnce) {
  const std::string body = pattern(32 << 20);
  std::atomic<unsigned> closed{0};
  raw_origin server([&](raw_connection& peer) {
    if (peer.read_head().empty()) return;
    peer.answer("200 OK", "", body);
    peer.wait_closed();
    ++closed;
  });
  unsigned left = 0;
  for (const std::size_t bytes : {0u, 1u, 4096u, 1'000'000u}) {
    bool headed = false;
    net::run_blocking(loop(), leave_after(server.url("/"), bytes, &headed));
    EXPECT_TRUE(headed);
    ++left;
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (closed < left && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    EXPECT_EQ(closed, left) << "after " << bytes << " bytes";
  }
}

TEST_F(ClientBodyTest, LeavingAtTheEndKeepsTheConnection) {
  raw_origin server([](raw_connection& peer) {
    while (!peer.read_head().empty()) peer.answer("200 OK", "", "0123456789");
  });
  for (int i = 0; i < 3; ++i) {
    bool headed = false;
    net::run_blocking(loop(), leave_after(server.url("/"), 10, &headed));
    EXPECT_TRUE(headed);
  }
  EXPECT_EQ(server.connections(), 1u);
}

/// One coroutine waits in a read while another destroys the body.
net::task<void> wait_in_read(std::unique_ptr<client_body>* body, fetched* out) {
  std::vector<std::byte> room(1024);
  auto got = co_await (*body)->read_some(room);
  if (!got) out->body_failed = std::move(got.error());
}
net::task<void> destroy_under_reader(std::string url, fetched* out) {
  client_request asked;
  asked.url = std::move(url);
  auto answer = co_await client::current().send(std::move(asked), net::deadline::after(std::chrono::seconds(20)));
  if (!answer) co_return;
  auto body = std::make_unique<std::unique_ptr<client_body>>(std::move(answer->body));
  net::loop::current().spawn(wait_in_read(body.get(), out));
  co_await net::yield();
  co_await net::yield();
  body->reset();
  for (int i = 0; i < 8; ++i) co_await net::yield();
}

TEST_F(ClientBodyTest, ABodyMayGoWhileItsReaderWaits) {
  raw_origin server([](raw_connection& peer) {
    peer.read_head();
    peer.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    peer.wait_closed();
  });
  fetched got;
  net::run_blocking(loop(), destroy_under_reader(server.url("/"), &got));
  ASSERT_TRUE(got.body_failed);
  EXPECT_EQ(got.body_failed->kind, error_kind::cancelled);
}

// Bodies that are sent.

/// A body in pieces, some of them late.
class piecewise_body final : public body_source {
public:
  piecewise_body(std::string text, std::size_t piece) : text_(std::move(text)), piece_(piece) {}
  net::task<result<net::slice>> next(std::size_t max_bytes) override {
    co_await net::yield();
    std::string part = text_.substr(at_, std::min(piece_, max_bytes));
    at_ += part.size();
    co_return net::make_slice(std::move(part));
  }

private:
  std::string text_;
  std::size_t piece_, at_ = 0;
};

TEST_F(ClientBodyTest, StreamsUploads) {
  const std::string body = pattern(1'500'000);
  std::string head, received;
  raw_origin server([&](raw_connection& peer) {
    head = peer.read_head();
    received = head.find("chunked") != std::string::npos ? peer.read_chunked() : peer.read_body(body.size());
    peer.answer("201 Created", "", "made");
  });
  for (const bool known : {true, false}) {
    client_request asked;
    asked.method = "PUT";
    asked.url = server.url("/object");
    asked.upload = std::make_unique<piecewise_body>(body, 70'001);
    if (known) asked.upload_bytes = body.size();
    const fetched got = fetch(std::move(asked));
    ASSERT_FALSE(got.failed) << got.failed->message();
    EXPECT_EQ(got.status, 201u);
    EXPECT_EQ(got.body, "made");
    EXPECT_TRUE(received == body) << received.size();
    EXPECT_THAT(head, HasSubstr("PUT /object HTTP/1.1"));
    EXPECT_EQ(head.find("Content-Length: 1500000") != std::string::npos, known);
    EXPECT_THAT(head, Not(HasSubstr("Expect")));
  }
}

TEST_F(ClientBodyTest, SendsSmallAndEmptyBodies) {
  std::string head, received;
  raw_origin server([&](raw_connection& peer) {
    head = peer.read_head();
    received = peer.read_body(head.find("Content-Length: 5") != std::string::npos ? 5 : 0);
    peer.answer("200 OK", "", "");
  });
  client_request small;
  small.method = "POST";
  small.url = server.url("/");
  small.body = "hello";
  EXPECT_EQ(fetch(std::move(small)).status, 200u);
  EXPECT_EQ(received, "hello");
  client_request empty;
  empty.method = "POST";
  empty.url = server.url("/");
  EXPECT_EQ(fetch(std::move(empty)).status, 200u);
  EXPECT_THAT(head, HasSubstr("Content-Length: 0\r\n"));
  client_request gone;
  gone.method = "DELETE";
  gone.url = server.url("/");
  EXPECT_EQ(fetch(std::move(gone)).status, 200u);
  EXPECT_THAT(head, HasSubstr("DELETE / HTTP/1.1"));
  EXPECT_EQ(server.connections(), 3u) << "what changes things goes over a connection of its own";
}

TEST_F(ClientBodyTest, TakesARefusalBeforeTheUploadEnds) {
  raw_origin server([](raw_connection& peer) {
    peer.read_head();
    peer.read_body(100'000);
    peer.answer("403 Forbidden", "Connection: close\r\n", "no");
    peer.wait_closed();
  });
  client_request asked;
  asked.method = "PUT";
  asked.url = server.url("/");
  asked.upload = std::make_unique<piecewise_body>(pattern(20'000'000), 65'536);
  asked.upload_bytes = 20'000'000;
  const fetched got = fetch(std::move(asked));
  ASSERT_FALSE(got.failed) << got.failed->message();
  EXPECT_EQ(got.status, 403u);
  EXPECT_EQ(got.body, "no");
}

TEST_F(ClientBodyTest, BreaksUploadsOfTheWrongLength) {
  raw_origin server([](raw_connection& peer) {
    peer.read_head();
    peer.wait_closed();
  });
  for (const std::uint64_t claimed : {900u, 950u, 1100u}) {
    client_request asked;
    asked.method = "PUT";
    asked.url = server.url("/");
    asked.upload = std::make_unique<piecewise_body>(pattern(1000), 100);
    asked.upload_bytes = claimed;
    const fetched got = fetch(std::move(asked));
    ASSERT_TRUE(got.failed) << claimed;
    EXPECT_EQ(got.failed->kind, error_kind::broken);
  }
}

} // namespace
} // namespace forebay::http
