#include "net/resolver.h"

#include <ares.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <optional>
#include <unordered_map>

#include <fmt/format.h>

#include "base/text.h"
#include "net/loop.h"

namespace forebay::net {
namespace {

/// Shortest and longest time for which an answer is kept, whatever its TTL says: a TTL of 0 must not mean a
/// query per connection, and a long one must not outlive a move of the store.
constexpr std::chrono::seconds ttl_floor{1};
constexpr std::chrono::seconds ttl_ceiling{300};
constexpr std::chrono::seconds failure_ttl{1};
/// Names kept; readers of an open allow-list choose names, so there is a bound.
constexpr std::size_t cache_entries = 4096;
/// One try at one server, and how often all are tried: 2 + 4 + 8 s at most, inside every caller's deadline.
constexpr int try_timeout_ms = 2000;
constexpr int tries = 3;

using answer = result<std::vector<ip_address>>;

std::optional<ip_address> address_of(const sockaddr* from) {
  if (from->sa_family == AF_INET) {
    std::array<std::uint8_t, 4> bytes;
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in*>(from)->sin_addr, bytes.size());
    return ip_address::from_v4(bytes);
  }
  if (from->sa_family == AF_INET6) {
    std::array<std::uint8_t, 16> bytes;
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6*>(from)->sin6_addr, bytes.size());
    return ip_address::from_v6(bytes);
  }
  return std::nullopt;
}

/// Identity of resolv.conf's content as far as a stat tells: c-ares 1.18 reads it once per channel.
std::int64_t configuration_stamp() {
  struct stat found {};
  if (::stat("/etc/resolv.conf", &found) != 0) return 0;
  return found.st_mtim.tv_sec * 1'000'000'000LL + found.st_mtim.tv_nsec;
}

void initialise_library() {
  static std::once_flag once;
  std::call_once(once, [] { ares_library_init(ARES_LIB_INIT_ALL); });
}

/// One question on its way; everybody who asked meanwhile waits for it.
struct question {
  std::string host;
  std::optional<answer> answered;
  std::vector<event> waiting;
};

} // namespace

struct resolver::impl {
  explicit impl(std::string with_servers) : servers(std::move(with_servers)) { open(); }
  ~impl() { close(); }

  void open() {
    initialise_library();
    ares_options options{};
    options.timeout = try_timeout_ms;
    options.tries = tries;
    options.lookups = const_cast<char*>("fb"); // hosts file, then DNS
    options.sock_state_cb = [](void* self, ares_socket_t fd, int readable, int writable) {
      static_cast<impl*>(self)->watch(fd, readable != 0, writable != 0);
    };
    options.sock_state_cb_data = this;
    const int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
    stamp = configuration_stamp();
    if (ares_init_options(&channel, &options, mask) != ARES_SUCCESS) {
      channel = nullptr;
      return;
    }
    if (!servers.empty()) ares_set_servers_ports_csv(channel, servers.c_str());
  }

  void close() {
    closing = true;
    if (channel != nullptr) ares_destroy(channel); // ends its questions and closes its sockets
    channel = nullptr;
    watches.clear();
    closing = false;
  }

  void watch(ares_socket_t fd, bool readable, bool writable) {
    if (closing || (!readable && !writable)) {
      watches.erase(fd); // c-ares closes the descriptor next
      return;
    }
    auto& mine = watches[fd];
    if (mine == nullptr) {
      mine = std::make_unique<fd_watch>(fd, [this, fd](bool read, bool write) {
        ares_process_fd(channel, read ? fd : ARES_SOCKET_BAD, write ? fd : ARES_SOCKET_BAD);
        set_timer();
      });
    }
    mine->set_interest(readable, writable);
  }

  void set_timer() {
    timeval room{};
    if (channel == nullptr || ares_timeout(channel, nullptr, &room) == nullptr) {
      clock.cancel();
      return;
    }
    clock.start(std::chrono::seconds(room.tv_sec) + std::chrono::microseconds(room.tv_usec), [this] {
      ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
      set_timer();
    });
  }

  std::shared_ptr<question> ask(const std::string& host) {
    const auto found = asked.find(host);
    if (found != asked.end()) return found->second;
    if (asked.empty() && servers.empty() && stamp != configuration_stamp()) {
      close();
      open();
    }
    auto mine = std::make_shared<question>();
    mine->host = host;
    if (channel == nullptr) {
      mine->answered = fail(error_kind::internal, "name resolution", "c-ares could not start");
      return mine;
    }
    asked.emplace(host, mine);
    ares_addrinfo_hints hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    ares_getaddrinfo(channel, host.c_str(), nullptr, &hints, on_answer, new ticket{this, mine});
    set_timer();
    return mine;
  }

  struct ticket {
    impl* self;
    std::shared_ptr<question> mine;
  };

  static void on_answer(void* argument, int status, int, ares_addrinfo* found) {
    const std::unique_ptr<ticket> held(static_cast<ticket*>(argument));
    held->self->settle(*held->mine, status, found);
    if (found != nullptr) ares_freeaddrinfo(found);
  }

  void settle(question& mine, int status, const ares_addrinfo* found) {
    std::chrono::seconds ttl = failure_ttl;
    mine.answered = read_answer(mine.host, status, found, ttl);
    const bool ended = status == ARES_EDESTRUCTION || status == ARES_ECANCELLED;
    if (!ended) keep(mine.host, *mine.answered, ttl);
    for (const event& each : mine.waiting) each.notify();
    mine.waiting.clear();
    asked.erase(mine.host);
  }

  static answer read_answer(const std::string& host, int status, const ares_addrinfo* found,
                            std::chrono::seconds& ttl) {
    if (status != ARES_SUCCESS) {
      const bool no_such_name = status == ARES_ENOTFOUND || status == ARES_ENODATA || status == ARES_EBADNAME;
      return fail(error_kind::unreachable, "name resolution",
                  fmt::format("{} has no address: {}", host, ares_strerror(status)), !no_such_name);
    }
    std::vector<ip_address> addresses;
    ttl = ttl_ceiling;
    for (const ares_addrinfo_node* each = found->nodes; each != nullptr; each = each->ai_next) {
      const auto address = address_of(each->ai_addr);
      if (!address) continue;
      ttl = std::min(ttl, std::chrono::seconds(each->ai_ttl));
      if (std::find(addresses.begin(), addresses.end(), *address) == addresses.end()) addresses.push_back(*address);
    }
    ttl = std::max(ttl, ttl_floor);
    if (addresses.empty()) {
      ttl = failure_ttl;
      return fail(error_kind::unreachable, "name resolution", fmt::format("{} has no IPv4 or IPv6 address", host));
    }
    return addresses;
  }

  void keep(const std::string& host, const answer& what, std::chrono::seconds ttl) {
    const auto now = std::chrono::steady_clock::now();
    if (kept.size() >= cache_entries) {
      std::erase_if(kept, [now](const auto& each) { return each.second.until <= now; });
      if (kept.size() >= cache_entries) kept.erase(kept.begin());
    }
    kept.insert_or_assign(host, entry{what, now + ttl});
  }

  const answer* known(const std::string& host) const {
    const auto found = kept.find(host);
    if (found == kept.end() || found->second.until <= std::chrono::steady_clock::now()) return nullptr;
    return &found->second.what;
  }

  struct entry {
    answer what;
    steady_time until;
  };
  std::string servers;
  ares_channel channel = nullptr;
  bool closing = false;
  std::int64_t stamp = 0;
  timer clock;
  std::unordered_map<ares_socket_t, std::unique_ptr<fd_watch>> watches;
  std::unordered_map<std::string, std::shared_ptr<question>> asked;
  std::unordered_map<std::string, entry> kept;
};

resolver::resolver(std::string servers) : impl_(std::make_shared<impl>(std::move(servers))) {}
resolver::~resolver() = default;

task<result<std::vector<ip_address>>> resolver::resolve(std::string host, deadline until) {
  const std::shared_ptr<impl> mine = impl_;
  if (const auto literal = ip_address::parse(host)) co_return std::vector<ip_address>{*literal};
  host = to_lower(host);
  if (host.empty() || host.size() > 253) {
    co_return fail(error_kind::invalid_input, "name resolution", "a host name has 1 to 253 characters");
  }
  if (const answer* ready = mine->known(host)) co_return *ready;
  const std::shared_ptr<question> query = mine->ask(host);
  if (!query->answered) {
    const event told;
    query->waiting.push_back(told);
    const bool in_time = co_await told.wait(until);
    if (!in_time && !query->answered) {
      co_return fail(error_kind::timeout, "name resolution", fmt::format("no answer for {} in time", host), true);
    }
  }
  co_return *query->answered;
}

} // namespace forebay::net
