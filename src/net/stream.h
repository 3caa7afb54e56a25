// Connections: bytes in, slices out.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "net/address.h"
#include "net/slice.h"
#include "net/task.h"
#include "net/wait.h"

namespace forebay::net {

/// What TLS agreed on with a peer.
struct tls_info {
  std::string version;                     ///< "TLSv1.3"
  std::string cipher;                      ///< "TLS_AES_256_GCM_SHA384"
  std::string server_name;                 ///< the name the peer asked for (SNI); empty: none
  std::string protocol;                    ///< by ALPN; empty: the peer did not say
  std::vector<std::string> client_names;   ///< of the client's verified certificate; empty: it has shown none
  std::chrono::sys_seconds client_until{}; ///< that certificate's end
  bool resumed = false;
  bool in_kernel = false; ///< the kernel encrypts what we send (kTLS)
};

/// Takes what comes on an idle connection without a coroutine's being woken for it.
class idle_taker {
public:
  /// `count` bytes lie where the read was told to put them. True: they were dealt with, the next ones may take their
  /// place; false: the read ends. On the loop; must not destroy the stream.
  virtual bool take(std::size_t count) noexcept = 0;

protected:
  ~idle_taker() = default;
};

/// One accepted connection. Belongs to one loop for life. TLS is another implementation of the same
/// interface; front/ and http/ know only this. A read and a send may be in progress at the same time; two reads, or
/// two sends, may not.
class stream {
public:
  virtual ~stream() = default;
  /// Reads what is there, at least one byte; 0 means the peer ended its side.
  virtual task<result<std::size_t>> read_some(std::span<std::byte> into, deadline until) = 0;
  /// As `read_some`, but all that comes goes to `by` first; ends with the first bytes that it leaves.
  virtual task<result<std::size_t>> read_idle(std::span<std::byte> into, deadline until, idle_taker& by);
  /// Sends what the kernel takes at once, how many bytes from the beginning of `pieces` that is: 0 where the stream
  /// must wait, or cannot do so. What is left, and a failure, is `send`'s. While no send is in progress.
  virtual std::size_t send_now(std::span<const slice> pieces) noexcept;
  /// Some of what `send_now` took has not been given to the kernel: the next `send` does it, of nothing else too.
  virtual bool holds_back() const noexcept { return false; }
  /// Sends `pieces` in order, in as few system calls as they allow: memory pieces are gathered into one
  /// sendmsg; a large piece with a file leaves by sendfile. `more` promises another send at once (MSG_MORE).
  /// `stall` is the longest time without a byte accepted by the peer's kernel: a slow reader that moves is kept.
  virtual task<result<void>> send(std::span<const slice> pieces, bool more, std::chrono::milliseconds stall) = 0;
  /// Raises the end of our side and forgets the connection once the peer has seen it (lingering close).
  virtual void close() noexcept = 0;
  /// Breaks the connection visibly (RST), so that a peer cannot take a cut body for a whole one.
  virtual void abort() noexcept = 0;
  /// The peer has gone or ends soon: cheap check without reading (used by waits for the origin).
  virtual bool peer_closed() noexcept = 0;
  /// When the kernel had the last of what was read, and so at the earliest what is behind it; told under overload alone
  /// (`queue_pressure`). Zero: not known, as after a send that had to wait for the peer.
  virtual steady_time arrived() const noexcept { return {}; }
  virtual const endpoint& peer() const noexcept = 0;
  virtual const endpoint& local() const noexcept = 0;
  virtual const tls_info* tls() const noexcept { return nullptr; } ///< null: cleartext
};

/// A connection that has come and belongs to no loop yet. Any thread; destroying it closes the connection.
class accepted_socket {
public:
  accepted_socket(int fd, endpoint peer) noexcept : fd_(fd), peer_(peer) {}
  accepted_socket(accepted_socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)), peer_(other.peer_) {}
  accepted_socket& operator=(accepted_socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    peer_ = other.peer_;
    return *this;
  }
  ~accepted_socket();
  const endpoint& peer() const noexcept { return peer_; }
  /// The connection on the current loop, for life.
  std::unique_ptr<stream> adopt() &&;

private:
  int fd_;
  endpoint peer_;
};

/// A listening socket of one loop (SO_REUSEPORT: each loop has its own on the same address).
class listener {
public:
  /// "host:port", ":8080" (both families), "[::1]:80". unreachable with the system's reason when it cannot
  /// bind. Port 0 asks for a free one (tests); `bound()` tells which.
  static result<std::unique_ptr<listener>> open(std::string address);
  ~listener();
  /// The next connection; cancelled after `close`.
  task<result<accepted_socket>> accept();
  void close() noexcept; ///< loop thread only
  const endpoint& bound() const noexcept;

private:
  struct impl;
  explicit listener(std::shared_ptr<impl> made);
  std::shared_ptr<impl> impl_;
};

/// Fails when somebody listens on `address` already. SO_REUSEPORT alone would let two nodes share a port in
/// silence, so start-up asks once. Any thread.
result<void> probe_address(const std::string& address);

/// System calls made on connections by this process (asserted by tests of the hit path).
struct stream_counts {
  std::uint64_t reads, sends, sendfiles;
};
stream_counts counts() noexcept;

} // namespace forebay::net
