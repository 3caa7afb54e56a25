// A raw-socket origin for tests: each connection runs a script that may say anything, also what is not HTTP.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace forebay::http::testing {

/// One accepted connection, blocking. Used by the script's thread alone, but for `interrupt`.
class raw_connection {
public:
  explicit raw_connection(int fd) : fd_(fd) {}
  ~raw_connection() { close(); }
  raw_connection(const raw_connection&) = delete;
  raw_connection& operator=(const raw_connection&) = delete;

  /// A request's head with its empty line; empty when the client has gone.
  std::string read_head() {
    for (;;) {
      const std::size_t end = buffer_.find("\r\n\r\n");
      if (end != std::string::npos) {
        std::string head = buffer_.substr(0, end + 4);
        buffer_.erase(0, end + 4);
        return head;
      }
      if (!receive()) return {};
    }
  }
  /// Exactly `length` bytes of a body, fewer when the client has gone.
  std::string read_body(std::size_t length) {
    while (buffer_.size() < length && receive()) {}
    std::string body = buffer_.substr(0, length);
    buffer_.erase(0, body.size());
    return body;
  }
  /// A chunked body, decoded.
  std::string read_chunked() {
    std::string body;
    for (;;) {
      while (buffer_.find("\r\n") == std::string::npos) {
        if (!receive()) return body;
      }
      const std::size_t length = std::stoul(buffer_, nullptr, 16);
      buffer_.erase(0, buffer_.find("\r\n") + 2);
      body += read_body(length);
      read_body(2);
      if (length == 0) return body;
    }
  }
  /// How many bytes the client's kernel took; fewer than given when it has gone.
  std::size_t write(std::string_view bytes) {
    std::size_t sent = 0;
    while (sent < bytes.size()) {
      const ssize_t n = ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) break;
      sent += static_cast<std::size_t>(n);
    }
    return sent;
  }
  /// As much of `bytes` as the kernel takes without waiting.
  std::size_t write_what_fits(std::string_view bytes) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return n > 0 ? static_cast<std::size_t>(n) : 0;
  }
  /// "HTTP/1.1 <status>", the given field lines, Content-Length and the body.
  void answer(std::string_view status, std::string_view fields, std::string_view body) {
    std::string text = "HTTP/1.1 ";
    text.append(status).append("\r\n").append(fields).append("Content-Length: ").append(std::to_string(body.size()));
    text.append("\r\n\r\n").append(body);
    write(text);
  }
  /// Returns once the client has closed or reset its side.
  void wait_closed() {
    while (receive()) {}
  }
  void close() {
    const std::lock_guard lock(closing_);
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  /// Breaks the connection with a reset.
  void reset() {
    const linger hard{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close();
  }
  /// Ends what the script is waiting for. From any thread.
  void interrupt() {
    const std::lock_guard lock(closing_);
    if (fd_ >= 0) ::shutdown(fd_, SHUT_RDWR);
  }
  int fd() const noexcept { return fd_; } ///< for scripts that speak TLS

private:
  bool receive() {
    char bytes[16384];
    const ssize_t n = ::recv(fd_, bytes, sizeof bytes, 0);
    if (n <= 0) return false;
    buffer_.append(bytes, static_cast<std::size_t>(n));
    return true;
  }
  int fd_;
  std::mutex closing_; ///< keeps `interrupt` from a descriptor that another socket has by now
  std::string buffer_;
};

/// Listens on a free port of 127.0.0.1 and runs the script in a thread per connection.
class raw_origin {
public:
  using script = std::function<void(raw_connection&)>;

  explicit raw_origin(script each) : each_(std::move(each)) {
    listening_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    if (::bind(listening_, reinterpret_cast<sockaddr*>(&at), size) != 0 || ::listen(listening_, 128) != 0 ||
        ::getsockname(listening_, reinterpret_cast<sockaddr*>(&at), &size) != 0) {
      throw std::runtime_error("raw_origin: no port");
    }
    port_ = ntohs(at.sin_port);
    acceptor_ = std::thread([this] { accept(); });
  }
  ~raw_origin() {
    ending_ = true;
    ::shutdown(listening_, SHUT_RDWR);
    acceptor_.join();
    ::close(listening_);
    for (const auto& each : open_) each->interrupt();
    for (auto& each : threads_) each.join();
  }
  raw_origin(const raw_origin&) = delete;
  raw_origin& operator=(const raw_origin&) = delete;

  std::uint16_t port() const noexcept { return port_; }
  std::string url(std::string_view target) const {
    return "http://127.0.0.1:" + std::to_string(port_) + std::string(target);
  }
  unsigned connections() const noexcept { return accepted_; }

private:
  void accept() {
    while (!ending_) {
      const int fd = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      const int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      ++accepted_;
      auto mine = std::make_shared<raw_connection>(fd);
      open_.push_back(mine);
      threads_.emplace_back([this, mine] {
        each_(*mine);
        mine->close();
      });
    }
  }

  script each_;
  int listening_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> ending_{false};
  std::atomic<unsigned> accepted_{0};
  std::vector<std::shared_ptr<raw_connection>> open_; ///< the acceptor's, then the destructor's
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

/// A gate that one side opens and others wait at, with a deadline, so that a failing test ends.
class gate {
public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  bool wait(std::chrono::seconds within = std::chrono::seconds(20)) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, within, [this] { return open_; });
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

} // namespace forebay::http::testing
