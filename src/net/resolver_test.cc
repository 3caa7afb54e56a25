#include "net/resolver.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include "net/loop.h"

namespace forebay::net {
namespace {

using namespace std::chrono_literals;
using ::testing::UnorderedElementsAre;

/// What the scripted server knows of a name.
struct zone_entry {
  std::vector<std::string> addresses;
  unsigned ttl_seconds = 60;
  bool silent = false;
};

/// A DNS server on a free UDP port of 127.0.0.1 that answers from a map; unknown names do not exist.
class dns_server {
public:
  explicit dns_server(std::map<std::string, zone_entry> zone) : zone_(std::move(zone)) {
    fd_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&at), size), 0);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size);
    port_ = ntohs(at.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~dns_server() {
    ending_ = true;
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons(port_);
    ::sendto(fd_, "", 0, 0, reinterpret_cast<sockaddr*>(&at), sizeof at); // ends the wait
    thread_.join();
    ::close(fd_);
  }
  std::string servers() const { return "127.0.0.1:" + std::to_string(port_); }
  unsigned asked(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return asked_[name];
  }

private:
  void serve() {
    std::array<char, 1500> packet;
    while (!ending_) {
      sockaddr_in from{};
      socklen_t size = sizeof from;
      const ssize_t n = ::recvfrom(fd_, packet.data(), packet.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
      if (n < 17) continue;
      const std::string answer = reply(std::string(packet.data(), static_cast<std::size_t>(n)));
      if (!answer.empty()) ::sendto(fd_, answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
    }
  }

  std::string reply(const std::string& query) {
    std::string name;
    std::size_t at = 12;
    while (query[at] != 0) {
      const auto length = static_cast<std::size_t>(query[at]);
      if (!name.empty()) name += '.';
      name += query.substr(at + 1, length);
      at += length + 1;
    }
    const int type = query[at + 2];
    const std::string question = query.substr(12, at + 5 - 12);
    {
      const std::lock_guard lock(mutex_);
      ++asked_[name];
    }
    const auto known = zone_.find(name);
    if (known != zone_.end() && known->second.silent) return {};
    std::string records;
    char count = 0;
    if (known != zone_.end()) {
      for (const std::string& text : known->second.addresses) {
        const auto address = *ip_address::parse(text);
        if (address.is_v4() != (type == 1)) continue;
        const char length = address.is_v4() ? 4 : 16;
        const unsigned ttl = known->second.ttl_seconds;
        records += std::string("\xc0\x0c\x00", 3) + static_cast<char>(type) + std::string("\x00\x01\x00\x00", 4);
        records += static_cast<char>(ttl >> 8);
        records += static_cast<char>(ttl & 0xff);
        records += '\0';
        records += length;
        records.append(reinterpret_cast<const char*>(address.bytes().data()), static_cast<std::size_t>(length));
        ++count;
      }
    }
    const char code = known == zone_.end() ? 3 : 0; // NXDOMAIN
    return query.substr(0, 2) + '\x81' + static_cast<char>(0x80 | code) + std::string("\x00\x01\x00", 3) + count +
           std::string(4, '\0') + question + records;
  }

  std::map<std::string, zone_entry> zone_;
  int fd_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> ending_{false};
  std::mutex mutex_;
  std::map<std::string, unsigned> asked_;
  std::thread thread_;
};

using answer = result<std::vector<ip_address>>;

task<void> make(std::unique_ptr<resolver>* out, std::string servers) {
  *out = std::make_unique<resolver>(std::move(servers));
  co_return;
}
task<void> drop(std::unique_ptr<resolver>* which) {
  which->reset();
  co_return;
}
task<void> ask(resolver* names, std::string host, std::chrono::milliseconds within, answer* out,
               std::atomic<int>* done) {
  *out = co_await names->resolve(std::move(host), deadline::after(within));
  if (done != nullptr) ++*done;
}

std::vector<std::string> text_of(const answer& got) {
  std::vector<std::string> texts;
  if (got) {
    for (const auto& each : *got) texts.push_back(each.to_string());
  }
  return texts;
}

class ResolverTest : public ::testing::Test {
protected:
  ResolverTest()
      : server({{"both.test", {{"192.0.2.1", "2001:db8::1", "192.0.2.2"}}},
                {"short.test", {{"192.0.2.9"}, 0}},
                {"empty.test", {}},
                {"silent.test", {{}, 60, true}}}),
        loops(1) {
    loops.start();
    run_blocking(loops.at(0), make(&names, server.servers()));
  }
  ~ResolverTest() override {
    run_blocking(loops.at(0), drop(&names));
    loops.stop();
  }
  answer resolve(std::string host, std::chrono::milliseconds within = 5000ms) {
    answer got;
    run_blocking(loops.at(0), ask(names.get(), std::move(host), within, &got, nullptr));
    return got;
  }
  dns_server server;
  loop_group loops;
  std::unique_ptr<resolver> names;
};

TEST_F(ResolverTest, FindsAddressesOfBothFamilies) {
  const answer got = resolve("Both.TEST");
  ASSERT_TRUE(got) << got.error().message();
  EXPECT_THAT(text_of(got), UnorderedElementsAre("192.0.2.1", "192.0.2.2", "2001:db8::1"));
}

TEST_F(ResolverTest, KeepsAnswersForTheirTime) {
  resolve("both.test");
  const unsigned before = server.asked("both.test");
  EXPECT_GE(before, 1u);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(resolve("both.test"));
  EXPECT_EQ(server.asked("both.test"), before);
  resolve("short.test");
  const unsigned first = server.asked("short.test");
  EXPECT_TRUE(resolve("short.test")) << "a TTL of 0 is kept for a second";
  EXPECT_EQ(server.asked("short.test"), first);
  std::this_thread::sleep_for(1100ms); // the floor of the TTL itself is what is tested
  EXPECT_TRUE(resolve("short.test"));
  EXPECT_GT(server.asked("short.test"), first);
}

TEST_F(ResolverTest, OneQuestionServesAllWhoAsk) {
  std::vector<answer> got(8);
  std::atomic<int> done{0};
  for (auto& each : got) loops.at(0).spawn(ask(names.get(), "both.test", 5000ms, &each, &done));
  const auto until = std::chrono::steady_clock::now() + 10s;
  while (done < 8 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  ASSERT_EQ(done, 8);
  for (const auto& each : got) EXPECT_TRUE(each);
  EXPECT_LE(server.asked("both.test"), 2u) << "one query per family";
}

TEST_F(ResolverTest, UnknownNamesAreUnreachable) {
  const answer got = resolve("nowhere.test");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, error_kind::unreachable);
  EXPECT_FALSE(got.error().retryable);
  const answer empty = resolve("empty.test");
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().kind, error_kind::unreachable);
}

TEST_F(ResolverTest, WaitsEndAtTheDeadline) {
  const auto began = std::chrono::steady_clock::now();
  const answer got = resolve("silent.test", 150ms);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, error_kind::timeout);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 1500ms);
}

TEST_F(ResolverTest, LiteralsAndLocalNamesNeedNoServer) {
  EXPECT_THAT(text_of(resolve("192.0.2.77")), UnorderedElementsAre("192.0.2.77"));
  EXPECT_THAT(text_of(resolve("2001:db8::7")), UnorderedElementsAre("2001:db8::7"));
  const answer local = resolve("localhost");
  ASSERT_TRUE(local) << local.error().message();
  EXPECT_EQ(server.asked("localhost"), 0u);
  EXPECT_EQ(resolve("").error().kind, error_kind::invalid_input);
  EXPECT_EQ(resolve(std::string(300, 'a')).error().kind, error_kind::invalid_input);
}

TEST_F(ResolverTest, MayGoWhileSomebodyWaits) {
  answer got;
  std::atomic<int> done{0};
  loops.at(0).spawn(ask(names.get(), "silent.test", 60'000ms, &got, &done));
  const auto until = std::chrono::steady_clock::now() + 5s;
  while (server.asked("silent.test") == 0 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  run_blocking(loops.at(0), drop(&names));
  EXPECT_EQ(done, 0) << "the question lives on until its loop is destroyed with all who wait there";
}

} // namespace
} // namespace forebay::net
