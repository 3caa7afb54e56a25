// TLS on the socket itself.
#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <openssl/err.h>

#include "base/log.h"
#include "net/loop.h"
#include "net/socket.h"
#include "net/tls/server.h"

namespace forebay::net {
namespace {

/// The most that a record holds (RFC 8446 §5.1).
constexpr std::size_t record_bytes = 16 * 1024;
/// How long the end of a connection may wait to be said.
constexpr std::chrono::milliseconds goodbye_time{2'000};

/// What a call of OpenSSL on the socket came to.
enum class step { done, wants_read, wants_write, ended, failed };

struct outcome {
  step how = step::done;
  int number = 0; ///< errno, where the system failed
};

/// Reads the thread's error state: to be called directly after the call.
outcome judge(SSL* connection, int returned) {
  const int number = errno;
  switch (SSL_get_error(connection, returned)) {
  case SSL_ERROR_NONE: return {};
  case SSL_ERROR_WANT_READ: return {step::wants_read, 0};
  case SSL_ERROR_WANT_WRITE: return {step::wants_write, 0};
  case SSL_ERROR_ZERO_RETURN: return {step::ended, 0};
  case SSL_ERROR_SYSCALL: return {step::failed, number};
  default: break;
  }
  // Peers that just close are common, and HTTP frames its messages itself.
  if (ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) return {step::ended, 0};
  return {step::failed, 0};
}

error failure_of(outcome what, std::string_view during) {
  if (what.number != 0) {
    ERR_clear_error();
    return system_failure(what.number, during);
  }
  return {error_kind::broken, "connection", fmt::format("{}: {}", during, openssl_reason())};
}

/// Says the end (close_notify), as far as the peer takes it, and lets go.
task<void> say_goodbye(tcp_socket socket, ssl_ptr connection, std::shared_ptr<const tls_server>) {
  for (;;) {
    ERR_clear_error();
    const int returned = SSL_shutdown(connection.get());
    const outcome what = returned >= 0 ? outcome{} : judge(connection.get(), returned);
    if (what.how != step::wants_write) break;
    const auto waited = co_await wait_writable(socket, goodbye_time);
    if (!waited) break;
  }
  ERR_clear_error();
  close_gently(std::move(socket));
}

class tls_stream final : public stream {
public:
  tls_stream(tcp_socket socket, const stream& plain, std::shared_ptr<const tls_server> with)
      : socket_(std::move(socket)),
        peer_(plain.peer()),
        local_(plain.local()),
        with_(std::move(with)),
        connection_(with_->new_session()) {
    if (connection_ != nullptr) SSL_set_fd(connection_.get(), socket_.native_handle());
  }

  task<result<void>> shake_hands(deadline until) {
    for (;;) {
      if (connection_ == nullptr) co_return fail(error_kind::internal, "tls", "no memory for a session");
      ERR_clear_error();
      const int returned = SSL_accept(connection_.get());
      const outcome what = judge(connection_.get(), returned);
      if (what.how == step::done) break;
      const bool waits = what.how == step::wants_read || what.how == step::wants_write;
      if (!waits) co_return fail(refusal_of(what));
      auto waited = co_await wait_handshake(what.how, until);
      if (!waited) co_return waited;
    }
    note_agreement();
    co_return result<void>{};
  }

  task<result<std::size_t>> read_some(std::span<std::byte> into, deadline until) override {
    for (;;) {
      if (!socket_.is_open()) co_return fail(error_kind::cancelled, "connection", "closed");
      std::size_t got = 0;
      ERR_clear_error();
      count_read();
      const int returned = SSL_read_ex(connection_.get(), into.data(), into.size(), &got);
      if (returned == 1) co_return got;
      const outcome what = judge(connection_.get(), returned);
      if (what.how == step::ended) {
        ERR_clear_error();
        co_return std::size_t{0};
      }
      result<void> waited;
      if (what.how == step::wants_read) {
        waited = co_await wait_readable(socket_, until);
      } else if (what.how == step::wants_write) {
        waited = co_await wait_handshake(what.how, until);
      } else {
        co_return fail(failure_of(what, "read"));
      }
      if (!waited) co_return fail(std::move(waited.error()));
    }
  }

  task<result<void>> send(std::span<const slice> pieces, bool, std::chrono::milliseconds stall) override {
    std::vector<std::byte> record; // small pieces share one
    for (const slice& piece : pieces) {
      const bool by_file = info_.in_kernel && piece.fd >= 0 && piece.length_bytes() >= sendfile_threshold_bytes;
      result<void> sent;
      if (by_file) {
        sent = co_await flush(&record, stall);
        if (sent) sent = co_await send_file(piece, stall);
      } else {
        sent = co_await send_memory(piece.bytes, &record, stall);
      }
      if (!sent) co_return sent;
    }
    auto flushed = co_await flush(&record, stall);
    co_return flushed;
  }

  void close() noexcept override {
    if (!socket_.is_open()) return;
    socket_.ready().cancel();
    const bool spoke = SSL_is_init_finished(connection_.get()) == 1;
    if (spoke) {
      loop::current().spawn(say_goodbye(std::move(socket_), std::move(connection_), with_));
    } else {
      close_gently(std::move(socket_));
    }
  }
  void abort() noexcept override { reset(socket_); }

  /// Looks into the next record, where one is there: the peer's last word is one.
  bool peer_closed() noexcept override {
    if (!socket_.is_open()) return true;
    if ((SSL_get_shutdown(connection_.get()) & SSL_RECEIVED_SHUTDOWN) != 0) return true;
    char byte;
    std::size_t seen = 0;
    ERR_clear_error();
    const int returned = SSL_peek_ex(connection_.get(), &byte, 1, &seen);
    const outcome what = returned == 1 ? outcome{} : judge(connection_.get(), returned);
    ERR_clear_error();
    return what.how == step::ended || what.how == step::failed;
  }

  const endpoint& peer() const noexcept override { return peer_; }
  const endpoint& local() const noexcept override { return local_; }
  const tls_info* tls() const noexcept override { return &info_; }

private:
  task<result<void>> wait_handshake(step how, deadline until) {
    if (until.passed()) co_return fail(error_kind::timeout, "connection", "the deadline passed");
    if (how == step::wants_read) {
      auto waited = co_await wait_readable(socket_, until);
      co_return waited;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until.at - std::chrono::steady_clock::now());
    auto waited = co_await wait_writable(socket_, left);
    co_return waited;
  }

  error refusal_of(outcome what) {
    if (what.how == step::ended) {
      ERR_clear_error();
      return {error_kind::cancelled, "tls", "the client left during the handshake"};
    }
    const int reason = ERR_GET_REASON(ERR_peek_last_error());
    error why = failure_of(what, "handshake");
    const bool by_certificate =
        reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE || reason == SSL_R_CERTIFICATE_VERIFY_FAILED;
    if (by_certificate) why.kind = error_kind::forbidden;
    return why;
  }

  void note_agreement() {
    SSL* const now = connection_.get();
    info_.version = SSL_get_version(now);
    info_.cipher = SSL_get_cipher_name(now);
    info_.resumed = SSL_session_reused(now) == 1;
    if (const char* const name = SSL_get_servername(now, TLSEXT_NAMETYPE_host_name)) info_.server_name = name;
    const unsigned char* chosen = nullptr;
    unsigned length = 0;
    SSL_get0_alpn_selected(now, &chosen, &length);
    info_.protocol.assign(reinterpret_cast<const char*>(chosen), length);
    if (X509* const client = SSL_get0_peer_certificate(now);
        client != nullptr && SSL_get_verify_result(now) == X509_V_OK) {
      info_.client_names = names_of(client);
      info_.client_until = end_of(client);
    }
#ifndef OPENSSL_NO_KTLS
    info_.in_kernel = BIO_get_ktls_send(SSL_get_wbio(now)) != 0;
#endif
  }

  task<result<void>> send_memory(std::span<const std::byte> bytes, std::vector<std::byte>* record,
                                 std::chrono::milliseconds stall) {
    while (!bytes.empty()) {
      const bool direct = record->empty() && bytes.size() >= record_bytes;
      result<void> sent;
      if (direct) {
        const std::size_t whole = bytes.size() - bytes.size() % record_bytes;
        sent = co_await write(bytes.first(whole), stall);
        bytes = bytes.subspan(whole);
      } else {
        const std::size_t taken = std::min(bytes.size(), record_bytes - record->size());
        record->insert(record->end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(taken));
        bytes = bytes.subspan(taken);
        if (record->size() == record_bytes) sent = co_await flush(record, stall);
      }
      if (!sent) co_return sent;
    }
    co_return result<void>{};
  }

  task<result<void>> flush(std::vector<std::byte>* record, std::chrono::milliseconds stall) {
    if (record->empty()) co_return result<void>{};
    auto sent = co_await write(*record, stall);
    record->clear();
    co_return sent;
  }

  task<result<void>> write(std::span<const std::byte> bytes, std::chrono::milliseconds stall) {
    while (!bytes.empty()) {
      if (!socket_.is_open()) co_return fail(error_kind::cancelled, "connection", "closed");
      std::size_t sent = 0;
      ERR_clear_error();
      count_send();
      const int returned = SSL_write_ex(connection_.get(), bytes.data(), bytes.size(), &sent);
      if (returned == 1) {
        bytes = bytes.subspan(sent);
        continue;
      }
      auto waited = co_await await_turn(judge(connection_.get(), returned), stall);
      if (!waited) co_return waited;
    }
    co_return result<void>{};
  }

  /// With kTLS the kernel encrypts what it reads from the file.
  task<result<void>> send_file([[maybe_unused]] slice piece, [[maybe_unused]] std::chrono::milliseconds stall) {
#ifndef OPENSSL_NO_KTLS
    auto at = static_cast<off_t>(piece.offset);
    std::size_t left = piece.length_bytes();
    while (left > 0) {
      if (!socket_.is_open()) co_return fail(error_kind::cancelled, "connection", "closed");
      ERR_clear_error();
      count_sendfile();
      const ossl_ssize_t sent = SSL_sendfile(connection_.get(), piece.fd, at, left, 0);
      if (sent > 0) {
        at += sent;
        left -= static_cast<std::size_t>(sent);
        continue;
      }
      // 0 means that the file is shorter than the slice says: a defect, and never to be padded.
      if (sent == 0) co_return fail(error_kind::internal, "connection", "a slice reaches past its file");
      auto waited = co_await await_turn(judge(connection_.get(), static_cast<int>(sent)), stall);
      if (!waited) co_return waited;
    }
#endif
    co_return result<void>{};
  }

  /// Waits until a send can go on; the failure where it cannot.
  task<result<void>> await_turn(outcome what, std::chrono::milliseconds stall) {
    if (what.how == step::wants_write) {
      auto waited = co_await wait_writable(socket_, stall);
      co_return waited;
    }
    if (what.how == step::wants_read) {
      auto waited = co_await wait_readable(socket_, deadline::after(stall));
      co_return waited;
    }
    if (what.how == step::ended) {
      ERR_clear_error();
      co_return fail(error_kind::cancelled, "connection", "the peer has gone");
    }
    co_return fail(failure_of(what, "send"));
  }

  tcp_socket socket_;
  endpoint peer_, local_;
  std::shared_ptr<const tls_server> with_; ///< outlives the session, whose callbacks ask it
  ssl_ptr connection_;
  tls_info info_;
};

} // namespace

task<result<std::unique_ptr<stream>>> accept_tls(std::unique_ptr<stream> plain, std::shared_ptr<const tls_server> with,
                                                 deadline until) {
  auto socket = take_socket(*plain);
  if (!socket) co_return fail(error_kind::internal, "tls", "the connection is not a socket");
  auto made = std::make_unique<tls_stream>(std::move(*socket), *plain, std::move(with));
  auto shaken = co_await made->shake_hands(until);
  if (!shaken) {
    if (shaken.error().kind == error_kind::timeout) {
      made->abort();
    } else {
      made->close(); // with time for the alert to arrive
    }
    co_return fail(std::move(shaken.error()));
  }
  co_return std::unique_ptr<stream>(std::move(made));
}

} // namespace forebay::net
