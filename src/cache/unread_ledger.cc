#include "cache/unread_ledger.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace forebay::cache {

unread_ledger::shard& unread_ledger::shard_of(std::string_view client) noexcept {
  return shards_[std::hash<std::string_view>{}(client) % shard_count];
}

/// The whole limit is forgiven in `forgiven_in`, evenly.
void unread_ledger::forgive(debt& of, std::uint64_t limit_bytes, steady_time now) noexcept {
  const double share = std::chrono::duration<double>(now - of.at) / std::chrono::duration<double>(forgiven_in);
  of.bytes = std::max(0.0, of.bytes - std::max(0.0, share) * static_cast<double>(limit_bytes));
  of.at = now;
}

void unread_ledger::fetched(const std::string& client, std::uint64_t bytes, std::uint64_t limit_bytes,
                            steady_time now) {
  if (client.empty()) return; // ours, nobody's
  shard& mine = shard_of(client);
  const std::lock_guard hold(mine.lock);
  auto found = mine.debts.find(client);
  if (found == mine.debts.end()) {
    if (mine.debts.size() >= clients_limit / shard_count) {
      mine.debts.erase(mine.debts.begin());
      debtors_.fetch_sub(1, std::memory_order_relaxed);
    }
    found = mine.debts.emplace(client, debt{0, now}).first;
    debtors_.fetch_add(1, std::memory_order_relaxed);
  }
  forgive(found->second, limit_bytes, now);
  found->second.bytes += static_cast<double>(bytes);
}

void unread_ledger::delivered(const std::string& client, std::uint64_t bytes) noexcept {
  if (debtors() == 0) return; // hits of clients that owe nothing cost no lock
  shard& mine = shard_of(client);
  const std::lock_guard hold(mine.lock);
  const auto found = mine.debts.find(client);
  if (found == mine.debts.end()) return;
  found->second.bytes -= static_cast<double>(bytes);
  if (found->second.bytes > 0) return;
  mine.debts.erase(found);
  debtors_.fetch_sub(1, std::memory_order_relaxed);
}

std::optional<std::chrono::seconds> unread_ledger::refusal(const std::string& client, std::uint64_t limit_bytes,
                                                           steady_time now) {
  if (debtors() == 0) return std::nullopt;
  shard& mine = shard_of(client);
  const std::lock_guard hold(mine.lock);
  const auto found = mine.debts.find(client);
  if (found == mine.debts.end()) return std::nullopt;
  forgive(found->second, limit_bytes, now);
  const double beyond = found->second.bytes - static_cast<double>(limit_bytes);
  if (beyond < 0) return std::nullopt;
  const double wait = beyond / static_cast<double>(limit_bytes) * std::chrono::duration<double>(forgiven_in).count();
  return std::chrono::seconds(std::max(1L, std::lround(std::ceil(wait))));
}

} // namespace forebay::cache
