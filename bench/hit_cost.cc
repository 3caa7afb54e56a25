// Hits without a network, for counting instructions: a connection whose client asks the same thing COUNT times.
//
//   forebay_hit_cost KIND COUNT     KIND: same (as before, byte for byte), range (another one each time), parsed
//
// Everything from the bytes that were read to those that are sent is the node's own code; time stands still, so that two
// runs differ by nothing but the count (tools/hit-budget).
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "cache/cache.h"
#include "cache/fake_origin.h"
#include "front/guarded_front.h"
#include "front/web/web_front.h"
#include "http/server.h"
#include "net/loop.h"
#include "storage/memory_tier.h"

namespace {

using namespace forebay;

constexpr std::uint64_t object_bytes = 64 * 1024;
constexpr unsigned warm_up = 8;

/// A client that has always asked already, and takes what it gets.
class tireless_stream final : public net::stream {
public:
  tireless_stream(std::string kind, unsigned long count) : kind_(std::move(kind)), left_(count + warm_up) {
    peer_ = local_ = {*net::ip_address::parse("192.0.2.1"), 80};
  }
  net::task<result<std::size_t>> read_some(std::span<std::byte> into, net::deadline) override { co_return ask(into); }
  net::task<result<std::size_t>> read_idle(std::span<std::byte> into, net::deadline, net::idle_taker& by) override {
    for (;;) {
      const std::size_t count = ask(into);
      const bool dealt_with = count > 0 && by.take(count);
      if (!dealt_with) co_return count;
    }
  }
  std::size_t send_now(std::span<const net::slice> pieces) noexcept override { return count_sent(pieces); }
  net::task<result<void>> send(std::span<const net::slice> pieces, bool, std::chrono::milliseconds) override {
    count_sent(pieces);
    co_return result<void>{};
  }
  void close() noexcept override { std::printf("%llu bytes\n", static_cast<unsigned long long>(sent_)); }
  void abort() noexcept override { std::puts("broken off"); }
  bool peer_closed() noexcept override { return false; }
  const net::endpoint& peer() const noexcept override { return peer_; }
  const net::endpoint& local() const noexcept override { return local_; }

private:
  std::size_t ask(std::span<std::byte> into) {
    if (left_ == 0) return 0;
    --left_;
    constexpr std::string_view fields = " HTTP/1.1\r\nHost: data.example.org\r\nUser-Agent: xarray\r\nAccept: */*\r\n";
    std::string text = "GET /data/temperature/0.0.0";
    text += fields;
    if (kind_ == "range") {
      const unsigned long begin = left_ * 64 % (object_bytes / 2) + 10'000;
      text += "Range: bytes=" + std::to_string(begin) + "-" + std::to_string(begin + 4095) + "\r\n";
    }
    if (kind_ == "parsed") text += "Cache-Control: max-age=3600\r\n";
    text += "\r\n";
    std::memcpy(into.data(), text.data(), text.size());
    return text.size();
  }
  std::size_t count_sent(std::span<const net::slice> pieces) noexcept {
    std::size_t all = 0;
    for (const net::slice& each : pieces) all += each.length_bytes();
    sent_ += all;
    return all;
  }

  std::string kind_;
  unsigned long left_;
  std::uint64_t sent_ = 0;
  net::endpoint peer_, local_;
};

std::shared_ptr<const front::web_settings> settings_for(std::shared_ptr<origin::source> source) {
  auto made = std::make_shared<space::name_space>();
  made->path = made->label = "/data";
  made->origins = {std::move(source)};
  made->freshness.ttl = std::chrono::seconds(3600);
  auto none = [](std::string_view) -> result<std::shared_ptr<origin::source>> {
    return fail(error_kind::internal, "bench", "no open stores here");
  };
  auto settings = std::make_shared<front::web_settings>();
  settings->node_name = "bench";
  settings->spaces = std::make_shared<space::space_map>(std::vector<std::shared_ptr<const space::name_space>>{made},
                                                        space::open_store_policy{}, none);
  return settings;
}

int run(const std::string& kind, unsigned long count) {
  const fake_clock time;
  auto memory = storage::memory_tier::make({.capacity_bytes = 64ull << 20});
  if (!memory) return 1;
  cache::content_cache cache(cache::cache_limits{}, **memory, nullptr, time);
  auto source = std::make_shared<cache::testing::fake_origin>();
  source->set([](auto& state) { state.length_bytes = object_bytes; });
  auto data = std::make_shared<front::web_front>(cache, settings_for(source), nullptr);
  auto limits = std::make_shared<front::guard_settings>();
  limits->requests_per_client = 100'000'000;
  auto guarded = std::make_shared<front::guarded_front>(data, std::make_shared<front::guard>(limits, time));
  net::loop_group loops(1);
  loops.start();
  net::run_blocking(loops.at(0), http::serve_connection(std::make_unique<tireless_stream>(kind, count), guarded,
                                                        std::make_shared<http::server_limits>(), nullptr));
  loops.stop();
  return 0;
}

} // namespace

int main(int count, char** words) {
  const std::string kind = count == 3 ? words[1] : "";
  unsigned long times = 0;
  const bool known = kind == "same" || kind == "range" || kind == "parsed";
  const bool number =
      count == 3 && std::from_chars(words[2], words[2] + std::strlen(words[2]), times).ec == std::errc();
  if (!known || !number) {
    std::fputs("usage: forebay_hit_cost same|range|parsed COUNT\n", stderr);
    return 2;
  }
  return run(kind, times);
}
