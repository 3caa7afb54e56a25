// The fallback where namespaces are not permitted: a TCP relay with the distance's delay and rate.
//
// Both ends speak TCP with this process on loopback, so slow start and loss recovery over the distance are not
// seen; delay, shared rate and the round trip of a handshake are. One thread, poll over a few hundred sockets.
#include <deque>
#include <list>
#include <vector>

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "link.h"

namespace forebay::lab {
namespace {

constexpr std::size_t chunk_bytes = 16 * 1024; // small against a round trip at the link's rate, so flows share fairly
constexpr double stream_window_bdp = 2.0;      // what one stream may have under way, in bandwidth-delay products
constexpr int listen_backlog = 256;
constexpr time_ns longest_wait_ns = 1'000 * ns_per_ms;

struct chunk_under_way {
  time_ns arrives;
  std::vector<char> bytes; // empty: the end of the stream
  std::size_t sent_bytes = 0;
};

// One direction of one connection.
struct stream {
  int from_fd = -1;
  int to_fd = -1;
  shaper* shaping = nullptr;
  std::deque<chunk_under_way> line;
  std::size_t held_bytes = 0;
  bool saw_end = false;
  bool passed_end = false;
};

struct relayed_connection {
  descriptor client;
  descriptor target;
  time_ns usable_at = 0; // the handshake over the distance takes a round trip
  stream outward;
  stream homeward;
  bool broken = false;
};

descriptor resolve_and(const std::string& host, const std::string& port, bool listen) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = listen ? AI_PASSIVE : 0;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) {
    throw std::runtime_error("cannot resolve " + host + ":" + port);
  }
  descriptor socket_fd(::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(socket_fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  int outcome = 0;
  if (listen) {
    outcome = ::bind(socket_fd.get(), found->ai_addr, found->ai_addrlen);
    outcome = outcome == 0 ? ::listen(socket_fd.get(), listen_backlog) : outcome;
  } else {
    outcome = ::connect(socket_fd.get(), found->ai_addr, found->ai_addrlen);
    outcome = outcome != 0 && errno == EINPROGRESS ? 0 : outcome;
    ::setsockopt(socket_fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  ::freeaddrinfo(found);
  if (outcome != 0) {
    throw failure((listen ? "cannot listen on " : "cannot connect to ") + host + ":" + port);
  }
  return socket_fd;
}

bool may_read(const stream& one, const link_conditions& link, time_ns now) {
  const double window = stream_window_bdp * static_cast<double>(2 * link.one_way_ns()) * link.bytes_per_ns();
  return link.up && !one.saw_end && static_cast<double>(one.held_bytes) <= window + chunk_bytes &&
         one.shaping->backlog_bytes(link, now) < link.queue_bytes();
}

void take_in(relayed_connection& connection, stream& one, const link_conditions& link, time_ns now) {
  std::vector<char> bytes(chunk_bytes);
  const ssize_t size = ::recv(one.from_fd, bytes.data(), bytes.size(), 0);
  if (size < 0) {
    connection.broken = errno != EAGAIN && errno != EINTR && errno != ENOTCONN;
    return;
  }
  bytes.resize(static_cast<std::size_t>(size));
  one.saw_end = bytes.empty();
  one.held_bytes += bytes.size();
  const time_ns arrives = one.shaping->schedule(link, bytes.size(), std::max(now, connection.usable_at));
  one.line.push_back({arrives, std::move(bytes)});
}

void deliver_due(relayed_connection& connection, stream& one, time_ns now) {
  while (!one.line.empty() && one.line.front().arrives <= now) {
    auto& chunk = one.line.front();
    if (chunk.bytes.empty()) {
      ::shutdown(one.to_fd, SHUT_WR);
      one.passed_end = true;
    } else {
      const ssize_t size =
          ::send(one.to_fd, chunk.bytes.data() + chunk.sent_bytes, chunk.bytes.size() - chunk.sent_bytes, MSG_NOSIGNAL);
      if (size < 0) {
        connection.broken = errno != EAGAIN && errno != EINTR && errno != ENOTCONN;
        return;
      }
      chunk.sent_bytes += static_cast<std::size_t>(size);
      if (chunk.sent_bytes < chunk.bytes.size()) {
        return;
      }
      one.held_bytes -= chunk.bytes.size();
      one.shaping->count_delivered(chunk.bytes.size());
    }
    one.line.pop_front();
  }
}

void accept_all(int listener, const relay_options& options, link_state& state,
                std::list<relayed_connection>& connections) {
  for (;;) {
    descriptor client(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!client) {
      return;
    }
    const int on = 1;
    ::setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    try {
      auto& one = connections.emplace_back();
      one.target = resolve_and(options.target_host, options.target_port, false);
      one.client = std::move(client);
      one.usable_at = now_ns() + 2 * state.conditions.one_way_ns();
      one.outward.from_fd = one.homeward.to_fd = one.client.get();
      one.outward.to_fd = one.homeward.from_fd = one.target.get();
      one.outward.shaping = &state.near_to_far;
      one.homeward.shaping = &state.far_to_near;
    } catch (const std::runtime_error&) {
      connections.pop_back(); // the client sees its connection closed, as with a dead far side
    }
  }
}

// What to wait for on behalf of one stream: bytes to read if there is room, room to write if something is due.
time_ns add_interest(const stream& one, const link_conditions& link, time_ns now, pollfd& from, pollfd& to) {
  if (may_read(one, link, now)) {
    from.events |= POLLIN;
  }
  if (one.line.empty()) {
    return longest_wait_ns;
  }
  if (one.line.front().arrives <= now) {
    to.events |= POLLOUT;
    return longest_wait_ns;
  }
  return one.line.front().arrives - now;
}

void move_bytes(relayed_connection& one, const pollfd& client, const pollfd& target, const link_conditions& link) {
  const time_ns now = now_ns();
  if ((client.revents & (POLLIN | POLLHUP | POLLERR)) != 0 && may_read(one.outward, link, now)) {
    take_in(one, one.outward, link, now);
  }
  if ((target.revents & (POLLIN | POLLHUP | POLLERR)) != 0 && may_read(one.homeward, link, now)) {
    take_in(one, one.homeward, link, now);
  }
  deliver_due(one, one.outward, now);
  deliver_due(one, one.homeward, now);
}

} // namespace

void run_relay(const relay_options& options, link_state& state, control_socket& control, int stop_fd,
               void (*ready)(const link_state&)) {
  const auto listener = resolve_and(options.listen_host, options.listen_port, true);
  std::list<relayed_connection> connections;
  std::vector<pollfd> polled;
  ready(state);
  for (;;) {
    const time_ns now = now_ns();
    time_ns wait_ns = longest_wait_ns;
    polled.assign({{stop_fd, POLLIN, 0}, {control.fd(), POLLIN, 0}, {listener.get(), POLLIN, 0}});
    const std::size_t first_connection = polled.size();
    for (const auto& one : connections) {
      pollfd client{one.client.get(), 0, 0};
      pollfd target{one.target.get(), 0, 0};
      wait_ns = std::min(wait_ns, add_interest(one.outward, state.conditions, now, client, target));
      wait_ns = std::min(wait_ns, add_interest(one.homeward, state.conditions, now, target, client));
      // A socket that nobody waits for is left out: a hang-up that cannot be acted on yet would spin.
      client.fd = client.events != 0 ? client.fd : -1;
      target.fd = target.events != 0 ? target.fd : -1;
      polled.push_back(client);
      polled.push_back(target);
    }
    const timespec wait{wait_ns / 1'000'000'000, wait_ns % 1'000'000'000};
    ::ppoll(polled.data(), polled.size(), &wait, nullptr);
    if (polled[0].revents != 0) {
      return;
    }
    if (polled[1].revents != 0) {
      control.serve_one();
    }
    std::size_t place = first_connection;
    for (auto one = connections.begin(); one != connections.end(); place += 2) {
      move_bytes(*one, polled[place], polled[place + 1], state.conditions);
      const bool over = one->outward.passed_end && one->homeward.passed_end;
      one = one->broken || over ? connections.erase(one) : std::next(one);
    }
    if (polled[2].revents != 0) {
      accept_all(listener.get(), options, state, connections);
    }
  }
}

} // namespace forebay::lab
