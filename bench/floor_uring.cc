// The floor of a hit once more, over io_uring instead of epoll: the same answers as floor.cc, byte for byte, from one
// thread, so that the difference is what the kernel's other interface is worth (docs/decisions/0014).
//
//   forebay_floor_uring PORT BYTES [MODE]
//   forebay_floor_uring probe              ends with 0 if the system lets us have a ring, with 1 if not
//
// Connections come by one accept that stays, requests by one receive for each connection that stays, into buffers that
// all share; small answers leave by one send. MODE is a list of words with commas between them. How large bodies leave:
//
//   sendfile   by the system call of that name, as floor.cc does it (the default); connections are then `fds`
//   send       sent from memory: copied
//   fixed      written from a registered buffer: copied, but its pages need not be looked up
//   zc         sent from a registered buffer without a copy, as far as the line can; a notification frees the buffer
//
// and how the ring is set up:
//
//   fds        connections are descriptors of the process instead of entries of the ring's own table
//   coop       completions are worked off whenever the thread enters the kernel, not when it waits (DEFER_TASKRUN)
//   plain      ... or as they come, by interrupting the thread
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <liburing.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <vector>

#include "floor.h"

namespace {

using namespace floor_of_a_hit;

constexpr unsigned submissions = 1024, completions = 8192;
constexpr unsigned table_entries = 4096; // connections at once, unless they are descriptors of the process
// What requests are read into: the buffers are used in turn, so many more than are needed would only leave the caches.
constexpr unsigned buffer_count = 256, buffer_bytes = 2048;
constexpr int buffer_group = 0, body_buffer = 0;

enum class large { sendfile, plain_send, fixed, zero_copy };

struct mode {
  large body = large::sendfile;
  bool table = true; ///< connections are entries of the ring's table
  unsigned setup = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
};

/// What a completion is of; in the upper half of its user data, the connection's number in the lower.
enum class kind : std::uint32_t { accepted, received, sent, writable, shut, closed };

/// One connection. It is closed when it has ended and nothing that would name it is under way.
struct connection {
  std::size_t owed = 0, sent = 0;
  unsigned matched = 0;   ///< of the four bytes that end a header block
  unsigned sending = 0;   ///< operations that answer
  unsigned others = 0;    ///< notifications and a shutdown that are still to come
  bool receiving = false; ///< the receive that stays is there
  bool ended = false;     ///< by the client, or since something failed
  bool shut = false;
};

void check(int result, const char* what) {
  if (result >= 0) return;
  errno = -result;
  give_up(what);
}

class server {
public:
  server(std::uint16_t port, std::size_t bytes, const mode& how) : answer_(make_answer(bytes)), mode_(how) {
    by_calls_ = answer_.file >= 0 && how.body == large::sendfile;
    if (by_calls_) mode_.table = false; // a system call wants a descriptor
    set_up_ring(ring_, mode_);
    map_body();
    share_buffers();
    listening_ = listen_on(port, 0);
    const int on = 1;
    ::setsockopt(listening_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); // what is accepted inherits it
    accept_all();
  }

  [[noreturn]] void run() {
    for (;;) {
      const int result = ::io_uring_submit_and_wait(&ring_, 1);
      if (result != -EINTR && result != -EBUSY && result != -EAGAIN) check(result, "io_uring_enter");
      unsigned at = 0, seen = 0;
      io_uring_cqe* done = nullptr;
      io_uring_for_each_cqe(&ring_, at, done) {
        complete(*done);
        ++seen;
      }
      if (given_back_ > 0) ::io_uring_buf_ring_advance(buffers_, static_cast<int>(given_back_));
      given_back_ = 0;
      ::io_uring_cq_advance(&ring_, seen);
    }
  }

  static void set_up_ring(io_uring& ring, const mode& how) {
    io_uring_params wanted{};
    wanted.flags = how.setup | IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL;
    wanted.cq_entries = completions;
    check(::io_uring_queue_init_params(submissions, &ring, &wanted), "io_uring_setup");
    check(::io_uring_register_ring_fd(&ring), "io_uring_register of the ring");
    if (how.table) check(::io_uring_register_files_sparse(&ring, table_entries), "io_uring_register of files");
  }

private:
  void map_body() {
    if (answer_.file < 0 || by_calls_) return;
    // A mapped memfd, since that is what a node's memory is.
    void* const mapped = ::mmap(nullptr, answer_.body_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, answer_.file, 0);
    if (mapped == MAP_FAILED) give_up("mmap");
    body_ = static_cast<const char*>(mapped);
    if (mode_.body == large::plain_send) return;
    const iovec whole{mapped, answer_.body_bytes};
    check(::io_uring_register_buffers(&ring_, &whole, 1), "io_uring_register of buffers");
  }

  void share_buffers() {
    const std::size_t ring_bytes = buffer_count * sizeof(io_uring_buf), bytes = buffer_count * buffer_bytes;
    void* const mapped =
        ::mmap(nullptr, ring_bytes + bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (mapped == MAP_FAILED) give_up("mmap");
    buffers_ = static_cast<io_uring_buf_ring*>(mapped);
    requests_ = static_cast<char*>(mapped) + ring_bytes;
    io_uring_buf_reg shared{};
    shared.ring_addr = reinterpret_cast<std::uintptr_t>(mapped);
    shared.ring_entries = buffer_count;
    shared.bgid = buffer_group;
    check(::io_uring_register_buf_ring(&ring_, &shared, 0), "io_uring_register of shared buffers");
    ::io_uring_buf_ring_init(buffers_);
    for (unsigned each = 0; each < buffer_count; ++each) give_back(each);
    ::io_uring_buf_ring_advance(buffers_, static_cast<int>(given_back_));
    given_back_ = 0;
  }

  /// The kernel sees it with the next advance, before anything else is submitted.
  void give_back(unsigned buffer) {
    ::io_uring_buf_ring_add(buffers_, requests_ + std::size_t{buffer} * buffer_bytes, buffer_bytes,
                            static_cast<unsigned short>(buffer), ::io_uring_buf_ring_mask(buffer_count),
                            static_cast<int>(given_back_++));
  }

  /// Room for `count` operations that belong together.
  void make_room(unsigned count) {
    while (::io_uring_sq_space_left(&ring_) < count) ::io_uring_submit(&ring_);
  }

  io_uring_sqe* next() {
    make_room(1);
    return ::io_uring_get_sqe(&ring_);
  }

  static void name(io_uring_sqe* what, kind of, unsigned number) {
    ::io_uring_sqe_set_data64(what, std::uint64_t{static_cast<std::uint32_t>(of)} << 32 | number);
  }

  void name_of_connection(io_uring_sqe* what, kind of, unsigned number) const {
    name(what, of, number);
    if (mode_.table) what->flags |= IOSQE_FIXED_FILE;
  }

  void accept_all() {
    io_uring_sqe* const what = next();
    if (mode_.table) {
      ::io_uring_prep_multishot_accept_direct(what, listening_, nullptr, nullptr, 0);
    } else {
      // A socket that never waits may make operations of the ring fail instead of waiting: for system calls alone.
      const int flags = by_calls_ ? SOCK_NONBLOCK : 0;
      ::io_uring_prep_multishot_accept(what, listening_, nullptr, nullptr, SOCK_CLOEXEC | flags);
    }
    name(what, kind::accepted, 0);
  }

  void receive(unsigned number) {
    io_uring_sqe* const what = next();
    ::io_uring_prep_recv_multishot(what, static_cast<int>(number), nullptr, 0, 0);
    name_of_connection(what, kind::received, number);
    what->flags |= IOSQE_BUFFER_SELECT;
    what->buf_group = buffer_group;
    connections_[number].receiving = true;
  }

  void complete(const io_uring_cqe& done) {
    const std::uint64_t named = ::io_uring_cqe_get_data64(&done);
    const auto number = static_cast<unsigned>(named);
    switch (static_cast<kind>(named >> 32)) {
    case kind::accepted: return accepted(done);
    case kind::received: received(done, number); break;
    case kind::sent: sent(done, connections_[number]); break;
    case kind::writable: --connections_[number].sending; break;
    case kind::shut: --connections_[number].others; break;
    case kind::closed: return;
    }
    proceed(number);
  }

  void accepted(const io_uring_cqe& done) {
    if (done.res >= 0) {
      const auto number = static_cast<unsigned>(done.res);
      if (connections_.size() <= number) connections_.resize(number + 1);
      connections_[number] = {};
      receive(number);
    }
    if ((done.flags & IORING_CQE_F_MORE) != 0) return;
    // Where there is no place for one more, the next to be closed makes some.
    full_ = done.res == -EMFILE || done.res == -ENFILE;
    if (!full_) accept_all();
  }

  void received(const io_uring_cqe& done, unsigned number) {
    connection& of = connections_[number];
    if ((done.flags & IORING_CQE_F_BUFFER) != 0) {
      const unsigned buffer = done.flags >> IORING_CQE_BUFFER_SHIFT;
      const char* const text = requests_ + std::size_t{buffer} * buffer_bytes;
      if (done.res > 0) of.owed += count_ends({text, static_cast<std::size_t>(done.res)}, of.matched);
      give_back(buffer);
    }
    // No buffer was free: by the time the receive is submitted again, all that are done with have been given back.
    const bool goes_on = done.res > 0 || done.res == -ENOBUFS || done.res == -EAGAIN || done.res == -EINTR;
    if (!goes_on) of.ended = true;
    if ((done.flags & IORING_CQE_F_MORE) != 0) return;
    of.receiving = false;
    if (!of.ended) receive(number);
  }

  static void sent(const io_uring_cqe& done, connection& of) {
    if ((done.flags & IORING_CQE_F_NOTIF) != 0) {
      --of.others;
      return;
    }
    if ((done.flags & IORING_CQE_F_MORE) != 0) ++of.others; // a notification follows
    --of.sending;
    // A body that did not go since its head went in part is canceled, and comes again with the rest of it.
    if (done.res > 0) {
      of.sent += static_cast<std::size_t>(done.res);
    } else if (done.res != -ECANCELED && done.res != -EAGAIN && done.res != -EINTR) {
      of.ended = true;
    }
  }

  void proceed(unsigned number) {
    connection& of = connections_[number];
    if (of.ended) return end(of, number);
    if (of.sending > 0) return;
    if (of.sent == answer_.head.size() + answer_.body_bytes) {
      of.sent = 0;
      --of.owed;
    }
    if (of.owed == 0) return;
    if (answer_.file < 0) return send_small(of, number);
    if (by_calls_) return send_by_calls(of, number);
    send_large(of, number);
  }

  void send_small(connection& of, unsigned number) {
    io_uring_sqe* const what = next();
    ::io_uring_prep_send(what, static_cast<int>(number), answer_.small.data() + of.sent, answer_.small.size() - of.sent,
                         MSG_NOSIGNAL | MSG_WAITALL);
    name_of_connection(what, kind::sent, number);
    ++of.sending;
  }

  /// What is left of head and body, the one tied to the other: else they could go in any order. A body that goes
  /// without a copy is not tied, and follows when its head has gone: one that is canceled with its head is notified of
  /// although its completion does not announce that (Linux 6.18), and then nobody knows what is still to come.
  void send_large(connection& of, unsigned number) {
    make_room(2);
    const std::size_t head_left = answer_.head.size() - std::min(of.sent, answer_.head.size());
    if (head_left > 0) {
      io_uring_sqe* const head = ::io_uring_get_sqe(&ring_);
      ::io_uring_prep_send(head, static_cast<int>(number), answer_.head.data() + of.sent, head_left,
                           MSG_NOSIGNAL | MSG_WAITALL | MSG_MORE);
      name_of_connection(head, kind::sent, number);
      ++of.sending;
      if (mode_.body == large::zero_copy) return;
      head->flags |= IOSQE_IO_LINK;
    }
    send_body(::io_uring_get_sqe(&ring_), number, of.sent + head_left - answer_.head.size());
    ++of.sending;
  }

  void send_body(io_uring_sqe* what, unsigned number, std::size_t from) {
    const int to = static_cast<int>(number);
    const char* const text = body_ + from;
    const std::size_t length = answer_.body_bytes - from;
    if (mode_.body == large::fixed) {
      // A send that copies takes no registered buffer; a write does.
      ::io_uring_prep_write_fixed(what, to, text, static_cast<unsigned>(length), 0, body_buffer);
    } else if (mode_.body == large::zero_copy) {
      ::io_uring_prep_send_zc_fixed(what, to, text, length, MSG_NOSIGNAL | MSG_WAITALL, 0, body_buffer);
    } else {
      ::io_uring_prep_send(what, to, text, length, MSG_NOSIGNAL | MSG_WAITALL);
    }
    name_of_connection(what, kind::sent, number);
  }

  /// As floor.cc does it, until the socket takes no more; the ring then says when it does.
  void send_by_calls(connection& of, unsigned number) {
    const int to = static_cast<int>(number);
    while (of.owed > 0) {
      ssize_t put = 0;
      if (of.sent < answer_.head.size()) {
        put = ::send(to, answer_.head.data() + of.sent, answer_.head.size() - of.sent, MSG_NOSIGNAL | MSG_MORE);
      } else {
        off_t at = static_cast<off_t>(of.sent - answer_.head.size());
        put = ::sendfile(to, answer_.file, &at, answer_.body_bytes - static_cast<std::size_t>(at));
      }
      if (put < 0) return errno == EAGAIN ? wait_until_writable(of, number) : fail(of, number);
      of.sent += static_cast<std::size_t>(put);
      if (of.sent < answer_.head.size() + answer_.body_bytes) continue;
      of.sent = 0;
      --of.owed;
    }
  }

  void wait_until_writable(connection& of, unsigned number) {
    io_uring_sqe* const what = next();
    ::io_uring_prep_poll_add(what, static_cast<int>(number), POLLOUT);
    name_of_connection(what, kind::writable, number);
    ++of.sending;
  }

  void fail(connection& of, unsigned number) {
    of.ended = true;
    end(of, number);
  }

  /// Closes it if nothing of it is under way, and otherwise sees to it that all of that ends.
  void end(connection& of, unsigned number) {
    if (!of.receiving && of.sending == 0 && of.others == 0) return close(number);
    if (of.shut || (!of.receiving && of.sending == 0)) return;
    of.shut = true;
    io_uring_sqe* const what = next();
    ::io_uring_prep_shutdown(what, static_cast<int>(number), SHUT_RDWR);
    name_of_connection(what, kind::shut, number);
    ++of.others;
  }

  void close(unsigned number) {
    io_uring_sqe* const what = next();
    if (mode_.table) {
      ::io_uring_prep_close_direct(what, number);
    } else {
      ::io_uring_prep_close(what, static_cast<int>(number));
    }
    name(what, kind::closed, number);
    if (full_) accept_all();
    full_ = false;
  }

  const answer answer_;
  mode mode_;
  bool by_calls_ = false; ///< bodies leave by sendfile
  io_uring ring_{};
  io_uring_buf_ring* buffers_ = nullptr;
  char* requests_ = nullptr;   ///< what the shared buffers are of
  unsigned given_back_ = 0;    ///< buffers since the kernel was told
  const char* body_ = nullptr; ///< of a large answer, mapped
  int listening_ = -1;
  bool full_ = false; ///< nothing is accepted until a connection is closed
  std::vector<connection> connections_;
};

mode read_mode(std::string_view text) {
  mode how;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    if (word == "fixed") {
      how.body = large::fixed;
    } else if (word == "zc") {
      how.body = large::zero_copy;
    } else if (word == "send") {
      how.body = large::plain_send;
    } else if (word == "sendfile") {
      how.body = large::sendfile;
    } else if (word == "fds") {
      how.table = false;
    } else if (word == "coop") {
      how.setup = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN;
    } else if (word == "plain") {
      how.setup = 0;
    } else {
      std::fprintf(stderr, "%s is no mode\n", std::string(word).c_str());
      std::exit(2);
    }
  }
  return how;
}

} // namespace

int main(int count, char** arguments) {
  if (count == 2 && std::string_view(arguments[1]) == "probe") {
    io_uring ring{};
    server::set_up_ring(ring, {});
    return 0;
  }
  if (count != 3 && count != 4) {
    std::fprintf(stderr, "usage: forebay_floor_uring PORT BYTES [MODE]\n");
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  const mode how = read_mode(count == 4 ? arguments[3] : "");
  server(number<std::uint16_t>(arguments[1]), number<std::size_t>(arguments[2]), how).run();
}
