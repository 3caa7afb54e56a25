// What OpenSSL reads from and writes to. For net/ alone.
#pragma once

#include <cstddef>
#include <openssl/ssl.h>
#include <vector>

#include "net/sending.h"
#include "net/socket.h"

namespace forebay::net {

/// The socket of a TLS connection, in as few system calls as a plain one: OpenSSL writes each record by itself, here
/// they gather and leave together; a read that brought less than it had room for is not followed by one in vain. With
/// kTLS, whose records the kernel makes, OpenSSL has the socket itself. Loop thread only.
class tls_socket {
public:
  /// Records that may wait before the socket must take some; with the last one and OpenSSL's own a little more.
  static constexpr std::size_t gathered_bytes = 64 * 1024;
  /// Memory for records that is kept for the next connection.
  static constexpr std::size_t spare_bytes = 4 * gathered_bytes;

  explicit tls_socket(tcp_socket from) : socket(std::move(from)) {}
  tls_socket(const tls_socket&) = delete;
  tls_socket& operator=(const tls_socket&) = delete;
  ~tls_socket();

  /// `connection` reads and writes here from now on. False: no memory.
  bool attach(SSL* connection);
  bool empty() const noexcept { return taken_ == records_.size(); }
  bool full() const noexcept { return records_.size() - taken_ >= gathered_bytes; }
  /// Gives the socket what it takes; `done` when nothing is left.
  send_step flush(error& failure) noexcept;
  /// Forgets what waits: the connection ends.
  void drop() noexcept;

  tcp_socket socket;

private:
  static BIO_METHOD* method();
  static int on_read(BIO* of, char* into, std::size_t length, std::size_t* got);
  static int on_write(BIO* of, const char* bytes, std::size_t length, std::size_t* written);
  static long on_control(BIO* of, int command, long number, void* pointer);
  void put(const char* bytes, std::size_t length);
  void give_back() noexcept;

  std::vector<std::byte> records_;
  std::size_t taken_ = 0; ///< of `records_`, by the socket
  bool ended_ = false;    ///< the peer has
};

} // namespace forebay::net
