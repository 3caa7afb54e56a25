#include "net/tls/tls_socket.h"

#include <cerrno>
#include <openssl/bio.h>
#include <span>
#include <sys/socket.h>
#include <utility>

namespace forebay::net {
namespace {

/// The memory of whoever sends just now: most leave nothing behind, so that one serves all connections of a loop.
thread_local std::vector<std::byte> spare;

} // namespace

tls_socket::~tls_socket() { give_back(); }

BIO_METHOD* tls_socket::method() {
  static BIO_METHOD* const made = [] {
    BIO_METHOD* const kind = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "loop socket");
    if (kind == nullptr) return kind;
    BIO_meth_set_read_ex(kind, on_read);
    BIO_meth_set_write_ex(kind, on_write);
    BIO_meth_set_ctrl(kind, on_control);
    return kind;
  }();
  return made;
}

bool tls_socket::attach(SSL* connection) {
  BIO* const both = method() == nullptr ? nullptr : BIO_new(method());
  if (both == nullptr) return false;
  BIO_set_data(both, this);
  BIO_set_init(both, 1);
  SSL_set_bio(connection, both, both);
  SSL_set_read_ahead(connection, 1); // else a record takes two reads
  return true;
}

int tls_socket::on_read(BIO* of, char* into, std::size_t length, std::size_t* got) {
  BIO_clear_retry_flags(of);
  auto& self = *static_cast<tls_socket*>(BIO_get_data(of));
  *got = 0;
  const bool dry = !self.socket.ready().may_read();
  const ssize_t came = dry ? -1 : self.socket.read(std::as_writable_bytes(std::span(into, length)));
  if (came < 0 && (dry || would_block(errno))) BIO_set_retry_read(of);
  self.ended_ = came == 0;
  if (came <= 0) return 0;
  *got = static_cast<std::size_t>(came);
  return 1;
}

/// Takes every record: whoever encrypts asks `full` first, and a handshake's messages are few.
int tls_socket::on_write(BIO* of, const char* bytes, std::size_t length, std::size_t* written) {
  BIO_clear_retry_flags(of);
  static_cast<tls_socket*>(BIO_get_data(of))->put(bytes, length);
  *written = length;
  return 1;
}

/// OpenSSL flushes after its own messages; what it gathered for us, `flush` sends. The buffering BIO that it puts
/// before this one for them loses the retry flag (3.0; pull request 21298 mends it): errno tells, too, see `judge`.
long tls_socket::on_control(BIO* of, int command, long, void*) {
  if (command == BIO_CTRL_EOF) return static_cast<tls_socket*>(BIO_get_data(of))->ended_ ? 1 : 0;
  if (command != BIO_CTRL_FLUSH) return 0;
  BIO_clear_retry_flags(of);
  error failure;
  const send_step how = static_cast<tls_socket*>(BIO_get_data(of))->flush(failure);
  if (how == send_step::full) BIO_set_retry_write(of);
  return how == send_step::done ? 1 : -1;
}

void tls_socket::put(const char* bytes, std::size_t length) {
  if (records_.capacity() == 0) records_ = std::exchange(spare, {});
  const auto* const begin = reinterpret_cast<const std::byte*>(bytes);
  records_.insert(records_.end(), begin, begin + length);
}

send_step tls_socket::flush(error& failure) noexcept {
  while (!empty()) {
    count_send();
    const ssize_t sent =
        ::send(socket.native_handle(), records_.data() + taken_, records_.size() - taken_, MSG_NOSIGNAL);
    if (sent < 0) {
      const int number = errno;
      if (number == EINTR) continue;
      if (would_block(number)) {
        records_.erase(records_.begin(), records_.begin() + static_cast<std::ptrdiff_t>(taken_));
        taken_ = 0;
        errno = number;
        return send_step::full;
      }
      failure = system_failure(number, "send");
      errno = number; // for SSL_get_error
      return send_step::failed;
    }
    taken_ += static_cast<std::size_t>(sent);
  }
  give_back();
  return send_step::done;
}

void tls_socket::drop() noexcept { taken_ = records_.size(); }

void tls_socket::give_back() noexcept {
  taken_ = 0;
  std::vector<std::byte> memory = std::exchange(records_, {}); // an idle connection keeps none
  memory.clear();
  if (spare.capacity() == 0 && memory.capacity() <= spare_bytes) spare = std::move(memory);
}

} // namespace forebay::net
