#include "net/page_pipe.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <string>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace forebay::net {
namespace {

/// A file in memory with `size` bytes that differ, mapped; and two ends of a connection.
class PagePipeTest : public ::testing::Test {
protected:
  static constexpr std::size_t size = 1 << 20;
  void SetUp() override {
    fd = ::memfd_create("pages", MFD_CLOEXEC);
    ASSERT_EQ(::ftruncate(fd, size), 0);
    bytes = static_cast<std::byte*>(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 2654435761u >> 24);
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
    pipe = page_pipe::of_this_thread();
    if (pipe == nullptr) GTEST_SKIP() << "no pipe is to be had here";
  }
  void TearDown() override {
    ::munmap(bytes, size);
    for (const int each : {fd, ends[0], ends[1]}) ::close(each);
  }
  std::string whole() const { return {reinterpret_cast<const char*>(bytes), size}; }
  std::string receive() {
    std::string all;
    std::array<char, 65'536> part;
    for (ssize_t got; (got = ::recv(ends[1], part.data(), part.size(), 0)) > 0;)
      all.append(part.data(), static_cast<std::size_t>(got));
    return all;
  }

  int fd = -1;
  std::byte* bytes = nullptr;
  std::array<int, 2> ends{-1, -1};
  page_pipe* pipe = nullptr;
};

TEST_F(PagePipeTest, WhatASocketDoesNotTakeIsNotLeftForTheNextOne) {
  std::string seen;
  std::size_t sent = 0, full = 0;
  while (sent < size) {
    const ssize_t took = pipe->send(ends[0], {bytes + sent, size - sent}, false);
    if (took > 0) {
      sent += static_cast<std::size_t>(took);
      continue;
    }
    ASSERT_EQ(errno, EAGAIN);
    ++full;
    seen += receive();
  }
  seen += receive();
  EXPECT_TRUE(seen == whole());
  EXPECT_GT(full, 0u) << "the socket was never full";
}

TEST_F(PagePipeTest, PiecesMayBeginAndEndAnywhere) {
  for (const std::size_t begin : {std::size_t{0}, std::size_t{1}, std::size_t{4'095}, std::size_t{70'001}}) {
    const ssize_t took = pipe->send(ends[0], {bytes + begin, 50'001}, true);
    ASSERT_GT(took, 0);
    EXPECT_TRUE(receive() == whole().substr(begin, static_cast<std::size_t>(took)));
  }
}

/// What the memory tier relies on: pages that were given back to the system are new ones when they are written again.
TEST_F(PagePipeTest, PagesThatWerePunchedOnTheirWayArriveAsTheyWere) {
  constexpr std::size_t part = 64 * 1024;
  const std::string before = whole().substr(0, part);
  const ssize_t took = pipe->send(ends[0], {bytes, part}, false);
  ASSERT_GT(took, 0);
  ASSERT_EQ(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, part), 0);
  std::fill_n(bytes, part, std::byte{'x'});
  EXPECT_TRUE(receive() == before.substr(0, static_cast<std::size_t>(took)));
}

TEST_F(PagePipeTest, AFailureOfTheSocketIsToldAndLeavesNothing) {
  const int closed = ends[1];
  ends[1] = -1;
  ::close(closed);
  ::signal(SIGPIPE, SIG_IGN);
  EXPECT_EQ(pipe->send(ends[0], {bytes, 100'000}, false), -1);
  EXPECT_EQ(errno, EPIPE);
  std::array<int, 2> others{-1, -1};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, others.data()), 0);
  ::close(std::exchange(ends[0], others[0]));
  ends[1] = others[1];
  ASSERT_EQ(pipe->send(ends[0], {bytes + 5, 10}, false), 10);
  EXPECT_EQ(receive(), whole().substr(5, 10));
}

} // namespace
} // namespace forebay::net
