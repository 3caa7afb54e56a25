// TLS on the socket itself.
#include <algorithm>
#include <array>
#include <cerrno>
#include <fmt/format.h>
#include <openssl/err.h>

#include "base/log.h"
#include "net/loop.h"
#include "net/tls/server.h"
#include "net/tls/tls_socket.h"

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
  case SSL_ERROR_SYSCALL: // a flush of its own messages that must wait comes as a failure, see tls_socket
    return would_block(number) ? outcome{step::wants_write, 0} : outcome{step::failed, number};
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
task<void> say_goodbye(std::unique_ptr<tls_socket> out, ssl_ptr connection, std::shared_ptr<const tls_server>) {
  for (;;) {
    ERR_clear_error();
    const int returned = SSL_shutdown(connection.get());
    const outcome what = returned >= 0 ? outcome{} : judge(connection.get(), returned);
    const bool by_kernel_full = what.how == step::wants_write && out->empty();
    if (!by_kernel_full) break;
    const auto waited = co_await wait_writable(out->socket, goodbye_time);
    if (!waited) break;
  }
  ERR_clear_error();
  for (error failure; out->flush(failure) == send_step::full;) {
    const auto waited = co_await wait_writable(out->socket, goodbye_time);
    if (!waited) break;
  }
  close_gently(std::move(out->socket));
}

class tls_stream final : public stream {
public:
  tls_stream(tcp_socket socket, const stream& plain, std::shared_ptr<const tls_server> with)
      : out_(std::make_unique<tls_socket>(std::move(socket))),
        peer_(plain.peer()),
        local_(plain.local()),
        with_(std::move(with)),
        connection_(with_->new_session()) {
    if (connection_ == nullptr) return;
    // The kernel encrypts what is written to the socket itself.
    by_kernel_ = (SSL_get_options(connection_.get()) & SSL_OP_ENABLE_KTLS) != 0;
    const bool attached =
        by_kernel_ ? SSL_set_fd(connection_.get(), out_->socket.native_handle()) == 1 : out_->attach(connection_.get());
    if (!attached) connection_.reset();
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
      if (!out_->socket.is_open()) co_return fail(error_kind::cancelled, "connection", "closed");
      std::size_t got = 0;
      const outcome what = read_now(into, got);
      if (what.how == step::done || what.how == step::ended) co_return got;
      auto waited = co_await await_input(what, until);
      if (!waited) co_return fail(std::move(waited.error()));
    }
  }

  task<result<std::size_t>> read_idle(std::span<std::byte> into, deadline until, idle_taker& by) override {
    listening heard(*this, into, by);
    for (;;) {
      if (!out_->socket.is_open()) co_return fail(error_kind::cancelled, "connection", "closed");
      const bool dry = heard.on_readable();
      if (dry) {
        const wait_end how = co_await out_->socket.ready().wait_listening(heard, until);
        if (how != wait_end::ready) co_return fail(unread(how));
      }
      if (heard.turn_over) {
        co_await yield();
        continue;
      }
      if (heard.what.how == step::wants_read) continue;
      if (heard.what.how == step::done || heard.what.how == step::ended) co_return heard.got;
      auto waited = co_await await_input(heard.what, until);
      if (!waited) co_return fail(std::move(waited.error()));
    }
  }

  task<result<void>> send(std::span<const slice> pieces, bool, std::chrono::milliseconds stall) override {
    unsent left{pieces};
    for (;;) {
      if (!out_->socket.is_open()) co_return fail(error_kind::cancelled, "connection", "closed");
      const outcome what = push(left);
      if (what.how == step::done) co_return result<void>{};
      auto waited = co_await await_turn(what, stall);
      if (!waited) co_return waited;
    }
  }

  std::size_t send_now(std::span<const slice> pieces) noexcept override {
    // Without records of ours OpenSSL may keep one that it was not told of whole, and wants the same bytes again.
    if (by_kernel_) return 0;
    unsent left{pieces};
    if (out_->socket.is_open()) push(left); // a failure is met again by who sends the rest
    ERR_clear_error();
    return left.taken_of(pieces);
  }
  bool holds_back() const noexcept override { return !out_->empty(); }

  void close() noexcept override {
    if (!out_->socket.is_open()) return;
    out_->socket.ready().cancel();
    const bool spoke = connection_ != nullptr && SSL_is_init_finished(connection_.get()) == 1;
    if (spoke) {
      // What stays behind is a stream that is closed.
      auto taken = std::exchange(out_, std::make_unique<tls_socket>(tcp_socket()));
      loop::current().spawn(say_goodbye(std::move(taken), std::move(connection_), with_));
    } else {
      close_gently(std::move(out_->socket));
    }
  }
  void abort() noexcept override {
    out_->drop();
    reset(out_->socket);
  }

  /// Looks into the next record, where one is there: the peer's last word is one.
  bool peer_closed() noexcept override {
    if (!out_->socket.is_open()) return true;
    if ((SSL_get_shutdown(connection_.get()) & SSL_RECEIVED_SHUTDOWN) != 0) return true;
    char byte;
    std::size_t seen = 0;
    ERR_clear_error();
    const int returned = SSL_peek_ex(connection_.get(), &byte, 1, &seen);
    const outcome what = returned == 1 ? outcome{} : judge(connection_.get(), returned);
    ERR_clear_error();
    return what.how == step::ended || what.how == step::failed;
  }

  steady_time arrived() const noexcept override { return out_->socket.arrived(); }
  const endpoint& peer() const noexcept override { return peer_; }
  const endpoint& local() const noexcept override { return local_; }
  const tls_info* tls() const noexcept override { return &info_; }

private:
  /// Reads for whoever takes bytes while the connection is idle.
  struct listening final : ready_listener {
    listening(tls_stream& from, std::span<std::byte> place, idle_taker& taker) : of(from), into(place), by(taker) {}
    /// True: nothing is there any more that the coroutine should look at.
    bool on_readable() noexcept override {
      turn_over = false;
      // A client that sends without end must not keep the loop: the coroutine lets others run.
      for (unsigned reads = 0; reads < reads_at_once; ++reads) {
        got = 0;
        what = of.read_now(into, got);
        if (what.how == step::wants_read) of.out_->socket.ready().note_empty();
        if (what.how != step::done) return what.how == step::wants_read;
        if (!by.take(got)) return false;
      }
      turn_over = true;
      return false;
    }

    static constexpr unsigned reads_at_once = 4;
    tls_stream& of;
    std::span<std::byte> into;
    idle_taker& by;
    outcome what;
    std::size_t got = 0;
    bool turn_over = false;
  };

  /// `done` with bytes, `ended` without, or what else it takes.
  outcome read_now(std::span<std::byte> into, std::size_t& got) noexcept {
    ERR_clear_error();
    const int returned = SSL_read_ex(connection_.get(), into.data(), into.size(), &got);
    if (returned == 1) return {};
    got = 0;
    const outcome what = judge(connection_.get(), returned);
    if (what.how == step::ended) ERR_clear_error();
    return what;
  }

  task<result<void>> await_input(outcome what, deadline until) {
    if (what.how == step::wants_read) {
      auto waited = co_await wait_readable(out_->socket, until);
      co_return waited;
    }
    if (what.how == step::wants_write) {
      auto waited = co_await wait_handshake(what.how, until);
      co_return waited;
    }
    co_return fail(failure_of(what, "read"));
  }

  static error unread(wait_end how) {
    if (how == wait_end::cancelled) return {error_kind::cancelled, "connection", "closed"};
    return {error_kind::timeout, "connection", "nothing came before the deadline"};
  }

  task<result<void>> wait_handshake(step how, deadline until) {
    if (until.passed()) co_return fail(error_kind::timeout, "connection", "the deadline passed");
    if (how == step::wants_read) {
      auto waited = co_await wait_readable(out_->socket, until);
      co_return waited;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until.at - std::chrono::steady_clock::now());
    auto waited = co_await wait_writable(out_->socket, left);
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

  /// Encrypts and sends as far as the peer's kernel takes it; `done` when all is with the kernel.
  outcome push(unsent& left) noexcept {
    outcome stopped;
    for (left.advance(0);;) {
      while (!left.empty() && !out_->full()) {
        stopped = push_next(left);
        if (stopped.how != step::done) break;
      }
      error failure;
      const send_step how = out_->flush(failure);
      if (stopped.how != step::done) return stopped;
      if (how == send_step::full) return {step::wants_write, 0};
      if (how == send_step::failed) return {step::failed, errno};
      if (left.empty()) return {};
    }
  }

  /// One record, or with kTLS what the kernel takes of a file.
  outcome push_next(unsent& left) noexcept {
    const slice& piece = left.pieces.front();
    if (info_.in_kernel && leaves_by_file(piece)) return push_file(left);
    thread_local std::array<std::byte, record_bytes> gathered; // small pieces share a record
    std::span<const std::byte> bytes = piece.bytes.subspan(left.skip_bytes);
    if (bytes.size() < record_bytes && left.pieces.size() > 1) bytes = gather(left, gathered);
    std::size_t sent = 0;
    ERR_clear_error();
    const int returned =
        SSL_write_ex(connection_.get(), bytes.data(), std::min(bytes.size(), std::size_t{record_bytes}), &sent);
    if (returned != 1) return judge(connection_.get(), returned);
    left.advance(sent);
    return {};
  }

  std::span<const std::byte> gather(const unsent& left, std::span<std::byte> into) noexcept {
    std::size_t size = 0, skip = left.skip_bytes;
    for (const slice& piece : left.pieces) {
      if (size == into.size() || (size > 0 && info_.in_kernel && leaves_by_file(piece))) break;
      const auto part = piece.bytes.subspan(skip).first(std::min(piece.bytes.size() - skip, into.size() - size));
      std::copy(part.begin(), part.end(), into.begin() + static_cast<std::ptrdiff_t>(size));
      size += part.size();
      skip = 0;
    }
    return into.first(size);
  }

  /// The kernel encrypts what it reads from the file.
  outcome push_file([[maybe_unused]] unsent& left) noexcept {
#ifndef OPENSSL_NO_KTLS
    const slice& piece = left.pieces.front();
    ERR_clear_error();
    count_sendfile();
    const ossl_ssize_t sent =
        SSL_sendfile(connection_.get(), piece.fd, static_cast<off_t>(piece.offset + left.skip_bytes),
                     piece.bytes.size() - left.skip_bytes, 0);
    // 0 means that the file is shorter than the slice says: a defect, and never to be padded.
    if (sent == 0) return {step::failed, EIO};
    if (sent < 0) return judge(connection_.get(), static_cast<int>(sent));
    left.advance(static_cast<std::size_t>(sent));
#endif
    return {};
  }

  /// Waits until a send can go on; the failure where it cannot.
  task<result<void>> await_turn(outcome what, std::chrono::milliseconds stall) {
    if (what.how == step::wants_write) {
      auto waited = co_await wait_writable(out_->socket, stall);
      co_return waited;
    }
    if (what.how == step::wants_read) {
      auto waited = co_await wait_readable(out_->socket, deadline::after(stall));
      co_return waited;
    }
    if (what.how == step::ended) {
      ERR_clear_error();
      co_return fail(error_kind::cancelled, "connection", "the peer has gone");
    }
    co_return fail(failure_of(what, "send"));
  }

  std::unique_ptr<tls_socket> out_;
  endpoint peer_, local_;
  std::shared_ptr<const tls_server> with_; ///< outlives the session, whose callbacks ask it
  ssl_ptr connection_;
  bool by_kernel_ = false; ///< OpenSSL has the socket itself: kTLS is wanted
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
