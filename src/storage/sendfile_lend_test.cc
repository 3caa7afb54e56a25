// sendfile lends pages to the kernel: they stay in the socket's queue after our pin is gone. What the peer then reads
// must still be what we sent.
#include <arpa/inet.h>
#include <cerrno>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "storage/memory_tier_access.h"

namespace forebay::storage {
namespace {

using testing_bytes::fill;
using testing_bytes::matches;
using testing_bytes::store;
using testing_bytes::version_of;

/// What a second reader gets: a slice that carries the file.
net::slice read_again(memory_tier& tier, std::uint64_t version, std::uint64_t at) {
  EXPECT_FALSE(tier.read(version_of(version), at, UINT64_MAX).empty());
  net::slice lent = tier.read(version_of(version), at, UINT64_MAX);
  EXPECT_GE(lent.fd, 0);
  return lent;
}

constexpr std::uint64_t mib = 1u << 20;

/// Two ends of a TCP connection over loopback; nobody reads at the far one until told to.
struct connection {
  int near = -1, far = -1;

  connection() {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    const int room = 4 << 20;
    EXPECT_EQ(::setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &room, sizeof room), 0);
    EXPECT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener, 1), 0);
    EXPECT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
    near = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::setsockopt(near, SOL_SOCKET, SO_SNDBUF, &room, sizeof room), 0);
    EXPECT_EQ(::connect(near, reinterpret_cast<sockaddr*>(&address), size), 0);
    far = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    EXPECT_GE(far, 0);
    EXPECT_EQ(::fcntl(near, F_SETFL, O_NONBLOCK), 0);
    ::close(listener);
  }
  ~connection() {
    hang_up();
    ::close(far);
  }

  /// Sends as much of the file as the connection takes now; how much that was.
  std::size_t send(int file, std::uint64_t offset, std::size_t length) {
    auto at = static_cast<off_t>(offset);
    std::size_t sent = 0;
    while (sent < length) {
      const ssize_t more = ::sendfile(near, file, &at, length - sent);
      if (more <= 0) break;
      sent += static_cast<std::size_t>(more);
    }
    return sent;
  }
  void hang_up() {
    if (near >= 0) ::close(std::exchange(near, -1));
  }
  std::vector<std::byte> read(std::size_t length) {
    std::vector<std::byte> into(length);
    const timeval patience{.tv_sec = 10, .tv_usec = 0};
    EXPECT_EQ(::setsockopt(far, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    EXPECT_EQ(::recv(far, into.data(), length, MSG_WAITALL), static_cast<ssize_t>(length)) << errno;
    return into;
  }
};

/// The danger itself: without it the test below would prove nothing.
TEST(sendfile_lend, pages_written_again_in_place_reach_a_slow_peer) {
  auto space = page_space::open(64, 64);
  ASSERT_TRUE(space);
  const page_run run = (*space)->allocate(64);
  const std::span<std::byte> bytes((*space)->address(run), run.length_bytes());
  fill(bytes, 1, 0);
  connection over;
  const std::size_t sent = over.send((*space)->fd(), run.offset_bytes(), bytes.size());
  ASSERT_GE(sent, 64u * 1024);
  fill(bytes, 2, 0);
  EXPECT_FALSE(matches(over.read(sent), 1, 0));
}

TEST(sendfile_lend, pages_punched_first_do_not) {
  auto space = page_space::open(64, 64);
  ASSERT_TRUE(space);
  const page_run run = (*space)->allocate(64);
  const std::span<std::byte> bytes((*space)->address(run), run.length_bytes());
  fill(bytes, 1, 0);
  connection over;
  const std::size_t sent = over.send((*space)->fd(), run.offset_bytes(), bytes.size());
  ASSERT_TRUE((*space)->punch(run));
  fill(bytes, 2, 0);
  EXPECT_TRUE(matches(over.read(sent), 1, 0));
}

void slow_peer(bool hang_up, bool through_erase) {
  auto made = memory_tier::make({.capacity_bytes = 8 * mib});
  ASSERT_TRUE(made);
  memory_tier& tier = **made;
  const std::size_t length = tier.settings().block_bytes;
  ASSERT_TRUE(store(tier, 1, 0, length));
  connection over;
  std::size_t sent = 0;
  std::uint64_t lent_offset = 0;
  {
    const net::slice lent = read_again(tier, 1, 0);
    lent_offset = lent.offset;
    sent = over.send(lent.fd, lent.offset, lent.length_bytes());
    ASSERT_GE(sent, 64u * 1024);
  } // the last pin goes; the socket's queue still has the pages
  if (hang_up) over.hang_up();
  if (through_erase) tier.erase(version_of(1));
  bool taken_again = false;
  for (std::uint64_t other = 2; other < 64; ++other) {
    ASSERT_TRUE(store(tier, other, 0, length));
    taken_again |= read_again(tier, other, 0).offset == lent_offset;
  }
  ASSERT_FALSE(tier.covers(version_of(1), 0));
  ASSERT_TRUE(taken_again) << "the test must write to the same page numbers";
  EXPECT_TRUE(matches(over.read(sent), 1, 0)) << "the peer must see what was sent";
  memory_tier_access::audit(tier);
}

TEST(sendfile_lend, a_slow_peer_sees_the_original_bytes_after_eviction) { slow_peer(false, false); }
TEST(sendfile_lend, also_after_the_connection_was_closed) { slow_peer(true, false); }
TEST(sendfile_lend, also_after_a_purge) { slow_peer(false, true); }

/// A fill goes on writing to the page whose first part is in the socket's queue already.
TEST(sendfile_lend, a_fill_behind_lent_bytes_leaves_them_alone) {
  auto made = memory_tier::make({.capacity_bytes = 8 * mib});
  ASSERT_TRUE(made);
  memory_tier& tier = **made;
  auto filling = tier.reserve(version_of(1), 0, 100'000, 0);
  ASSERT_TRUE(filling);
  connection over;
  fill((*filling)->writable().first(50'001), 1, 0);
  (*filling)->publish(50'001);
  net::slice first = read_again(tier, 1, 0);
  ASSERT_EQ(over.send(first.fd, first.offset, first.length_bytes()), 50'001u);
  first = {};
  fill((*filling)->writable(), 1, 50'001);
  (*filling)->publish(49'999);
  filling->commit(true);
  net::slice second = read_again(tier, 1, 50'001);
  ASSERT_EQ(over.send(second.fd, second.offset, second.length_bytes()), 49'999u);
  second = {};
  EXPECT_TRUE(matches(over.read(100'000), 1, 0));
}

} // namespace
} // namespace forebay::storage
