// For tests: a cache on two loops over a memory tier and an origin that the test directs.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "cache/cache.h"
#include "cache/fake_origin.h"
#include "net/loop.h"
#include "net/testing/waiting.h"
#include "storage/memory_tier.h"

namespace forebay::cache::testing {

inline constexpr std::uint64_t mib = 1u << 20;
/// Of what a reader gets, the first byte of each slice and then every so many-th is compared: slices are right or wrong
/// as a whole, and to look at each byte for fifty readers takes minutes under ThreadSanitizer. Prime, as grains are
/// not.
inline constexpr std::size_t checked_stride = 31;

class cache_scene : public ::testing::Test {
protected:
  void SetUp() override { build(256 * mib, {}); }
  void TearDown() override {
    loops->stop();
    cache.reset();
    space.reset();
    loops.reset();
    memory.reset();
  }

  /// For tests with a disk tier.
  virtual storage::lower_tier* lower() { return nullptr; }

  void build(std::uint64_t memory_bytes, cache_limits limits) {
    if (loops) TearDown();
    storage::memory_tier_settings settings;
    settings.capacity_bytes = memory_bytes;
    memory = std::move(*storage::memory_tier::make(settings));
    origin = std::make_shared<fake_origin>();
    cache = std::make_unique<content_cache>(limits, *memory, lower(), time);
    auto made = std::make_shared<space::name_space>();
    made->path = "/data";
    made->origins = {origin};
    space = made;
    loops = std::make_unique<net::loop_group>(2);
    loops->start();
  }

  open_request wish(const std::string& key, std::optional<http::range_spec> range, lookup_report& report) const {
    open_request asked;
    asked.where = {space, key, ""};
    if (range) asked.ranges = std::vector{*range};
    asked.report = &report;
    asked.client = "test";
    return asked;
  }

  /// What one reader saw.
  struct reading {
    result<void> outcome;
    std::uint64_t bytes = 0;
    bool right = true; ///< every byte was that of `version`
    std::uint64_t version = 1;
    lookup_report report;
    std::shared_ptr<const stored_head> head;
  };

  static net::task<void> read_into(content_cache* from, open_request asked, reading* seen, std::uint64_t leave_after,
                                   std::function<void(std::uint64_t)> on_bytes) {
    std::uint64_t skip = 0;
    auto open = co_await from->open(asked);
    if (!open) {
      seen->outcome = fail(open.error());
      co_return;
    }
    seen->head = open->head;
    std::unique_ptr<http::body_source> body;
    if (open->passes()) {
      body = std::move(open->pass->body);
    } else if (asked.ranges) {
      const auto range = http::resolve(asked.ranges->front(), *open->head->length_bytes);
      skip = range->begin;
      body = open->read(*range);
    } else {
      body = open->read_all();
    }
    for (;;) {
      auto piece = co_await body->next(mib);
      if (!piece) {
        seen->outcome = fail(piece.error());
        co_return;
      }
      if (piece->empty()) co_return;
      for (std::size_t i = 0; i < piece->length_bytes(); i += checked_stride) {
        if (piece->bytes[i] != byte_at(seen->version, skip + seen->bytes + i)) seen->right = false;
      }
      seen->bytes += piece->length_bytes();
      if (on_bytes) on_bytes(seen->bytes);
      if (seen->bytes >= leave_after) co_return;
    }
  }

  reading read(const std::string& key, std::optional<http::range_spec> range = {}, std::uint64_t version = 1,
               std::uint64_t leave_after = UINT64_MAX) {
    reading seen;
    seen.version = version;
    net::run_blocking(loops->at(0), read_into(cache.get(), wish(key, range, seen.report), &seen, leave_after, {}));
    return seen;
  }

  template <class T>
  T wait(net::task<T> work) {
    return net::testing::outcome_of(loops->at(0), std::move(work));
  }

  /// A read beside the test: `begin` starts it, `ended` says that its frame, and with it the body, is gone.
  struct background {
    reading seen;
    std::atomic<bool> ended{false};
  };
  void begin(background& into, unsigned loop, const std::string& key, std::optional<http::range_spec> range = {},
             std::uint64_t leave_after = UINT64_MAX) {
    loops->at(loop).spawn(run(cache.get(), wish(key, range, into.seen.report), &into, leave_after));
  }
  static net::task<void> run(content_cache* from, open_request asked, background* into, std::uint64_t leave_after) {
    co_await read_into(from, asked, &into->seen, leave_after, {});
    into->ended = true;
  }

  /// A reader who takes his first bytes and then no more, until he is told to leave.
  struct stalled {
    lookup_report report;
    std::atomic<bool> first{false}, left{false};
    std::optional<net::event> told; ///< from `first` on
    void leave() { told->notify(); }
  };
  void begin(stalled& into, unsigned loop, const std::string& key) {
    loops->at(loop).spawn(stall(cache.get(), wish(key, {}, into.report), &into));
  }
  static net::task<void> hold(content_cache* from, open_request asked, stalled* into) {
    auto open = co_await from->open(asked);
    auto body = open->read_all();
    auto piece = co_await body->next(4096);
    const net::event told;
    into->told = told;
    into->first = true;
    co_await told.wait(net::deadline::after(std::chrono::minutes(5)));
  }
  static net::task<void> stall(content_cache* from, open_request asked, stalled* into) {
    co_await hold(from, asked, into); // its frame, and with it the body, is gone when the end is told
    into->left = true;
  }

  fake_clock time;
  std::unique_ptr<storage::memory_tier> memory;
  std::shared_ptr<fake_origin> origin;
  std::shared_ptr<const space::name_space> space;
  std::unique_ptr<content_cache> cache;
  std::unique_ptr<net::loop_group> loops;
};

} // namespace forebay::cache::testing
