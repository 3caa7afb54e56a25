// What clients made us fetch and have not read. Internal to cache/.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"

namespace forebay::cache {

/// A debt of bytes for each client: it grows with what origins send because the client asked, falls with what the
/// client is given, from wherever, and is forgiven within a minute. Who asks for far more than he reads (ranges of
/// large objects, and leaves) pays at the origins' expense: beyond the limit nothing more is fetched for him. Bounded:
/// who pays off is forgotten, and beyond `clients_limit` debtors somebody is. Thread-safe.
class unread_ledger {
public:
  static constexpr std::chrono::seconds forgiven_in{60};
  static constexpr std::size_t clients_limit = 65'536;

  void fetched(const std::string& client, std::uint64_t bytes, std::uint64_t limit_bytes, steady_time now);
  void delivered(const std::string& client, std::uint64_t bytes) noexcept;
  /// Nothing where more may be fetched for the client; else how long until it may be.
  std::optional<std::chrono::seconds> refusal(const std::string& client, std::uint64_t limit_bytes, steady_time now);
  std::size_t debtors() const noexcept { return debtors_.load(std::memory_order_relaxed); }

private:
  struct debt {
    double bytes;
    steady_time at;
  };
  static constexpr std::size_t shard_count = 16; // slices are counted on all cores at once
  struct alignas(64) shard {
    std::mutex lock;
    std::unordered_map<std::string, debt> debts;
  };
  shard& shard_of(std::string_view client) noexcept;
  static void forgive(debt& of, std::uint64_t limit_bytes, steady_time now) noexcept;

  std::array<shard, shard_count> shards_;
  std::atomic<std::size_t> debtors_{0};
};

} // namespace forebay::cache
