// When a socket can go on. For net/ alone.
#pragma once

#include <boost/asio/any_completion_handler.hpp>
#include <cstdint>
#include <memory>

#include "net/poll_set.h"
#include "net/task.h"
#include "net/wait.h"

namespace forebay::net {

class loop;

/// What became of a wait for a socket.
enum class wait_end { ready, timed_out, cancelled };

/// Who looks at a readable socket before the coroutine that waits for it is woken.
class ready_listener {
public:
  /// False: the coroutine shall go on. Called on the loop; must not destroy the socket.
  virtual bool on_readable() noexcept = 0;

protected:
  ~ready_listener() = default;
};

/// One socket in the epoll set of its loop: registered once, edge-triggered, so that a wait costs no system call. An
/// edge is kept until a call on the socket was told that there is nothing more (`note_empty`, `note_full`). One waiter
/// a side; a second one is woken by the clock. Loop thread only.
class readiness final : public poll_target, public std::enable_shared_from_this<readiness> {
public:
  enum class side { read, write };

  explicit readiness(int fd); ///< on the current loop; `fd` stays its owner's
  ~readiness();
  readiness(const readiness&) = delete;
  readiness& operator=(const readiness&) = delete;

  /// Whether a read may bring something.
  bool may_read() const noexcept { return read_.may; }
  /// A read found nothing, or less than it had room for. (After the peer's end there always is something: the end.)
  void note_empty() noexcept { read_.may = ended_; }
  void note_full() noexcept { write_.may = false; }

  task<wait_end> wait(side which, deadline until);
  /// As `wait` for reading, but `by` is asked first, each time that something came.
  task<wait_end> wait_listening(ready_listener& by, deadline until);
  /// Ends both waits; their coroutines go on later.
  void cancel() noexcept;
  /// Out of the loop's set, before `fd` is closed. Nothing may wait any more.
  void forget() noexcept;

  void on_events(std::uint32_t events) noexcept override;

private:
  using handler = boost::asio::any_completion_handler<void(wait_end)>;
  struct one_side final : timed_wait {
    void expired() noexcept override;
    void abandoned() noexcept override;
    void complete(wait_end how);
    readiness* of = nullptr;
    handler waiter;
    bool may = true;
  };
  loop& home_;
  int fd_; ///< -1: forgotten
  one_side read_, write_;
  ready_listener* listener_ = nullptr;
  bool ended_ = false; ///< the peer has ended its side, or the connection failed
};

} // namespace forebay::net
