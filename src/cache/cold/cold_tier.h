// The cold tier: what the disk evicts, in object stores beside the node, read back before the far origin is asked.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "cache/cold/place.h"
#include "net/loop.h"
#include "storage/eviction_sink.h"
#include "storage/memory_tier.h"
#include "storage/tier.h"

namespace forebay::cache::cold {

struct cold_tier_settings {
  std::string node_name;
  std::vector<std::string> stores;          ///< identities of the disk tier's directories, 32 hexadecimal digits
  std::uint64_t queue_bytes = 64ull << 20;  ///< `limits.cold_queue`
  std::uint64_t index_bytes = 256ull << 20; ///< `limits.cold_index`
  std::function<bool(const storage::version_key&)> erased; ///< the disk tier was told to forget it for ever
};

/// Owner of the places of all namespaces. Thread-safe. Bytes are found by their version, as on the disk, and the way to
/// a version is its object's record, which lies on the disk: a purge that takes the record takes this tier's copies
/// along, in this run and in later ones.
class cold_tier final : public storage::eviction_sink {
public:
  /// `memory` and `disk` outlive the loops on which its coroutines run.
  cold_tier(cold_tier_settings settings, storage::memory_tier& memory, storage::lower_tier& disk,
            const clock& time = system_clock());
  ~cold_tier() override;

  /// The places from now on. One that stays (same namespace, same URL) keeps what it knows.
  void configure(std::vector<place_settings> wanted);
  /// Places tend themselves on this loop from now on, those of later calls of `configure` too.
  void start(net::loop& home);
  /// Takes nothing more and wakes no loop. To be called when the loops have stopped and are still there.
  void stop();
  /// One round of each place, for tests that decide when.
  net::task<void> round();

  bool wants(const storage::version_key& version, byte_range extent, storage::tenant_id tenant) override;
  void take(const storage::version_key& version, std::uint64_t offset, std::span<const std::byte> bytes,
            storage::tenant_id tenant) override;
  bool may_hold(const storage::version_key& version) const override;

  /// The first run held at or after `within.begin`, from the index alone.
  std::optional<byte_range> find(const storage::version_key& version, byte_range within) const;
  /// Reads from `wanted.begin` on, verified, into the memory tier, and offers it to the disk again. Gives the run that
  /// is in memory now; not_found when it is gone or damaged (then it is forgotten); other failures come in time for the
  /// origin to be asked.
  net::task<result<byte_range>> read(storage::version_key version, byte_range wanted, net::deadline until);
  /// A fill begins for bytes of a namespace that are not here.
  void count_miss(storage::tenant_id tenant) const;

  std::uint64_t index_bytes() const noexcept { return table_.memory_bytes(); }
  std::shared_ptr<place> place_of(storage::tenant_id tenant) const;

private:
  struct shared_read;
  struct wanted_bytes;
  using read_key = std::pair<storage::version_key, std::uint64_t>;

  std::optional<wanted_bytes> plan(const storage::version_key& version, byte_range wanted) const;
  net::task<void> run(std::shared_ptr<shared_read> job, wanted_bytes what, read_key key);
  net::task<result<byte_range>> read_now(wanted_bytes what);
  result<byte_range> bring(const wanted_bytes& what, std::span<const std::byte> blocks, std::size_t good);
  void tend(const std::shared_ptr<place>& each);

  cold_tier_settings settings_;
  storage::memory_tier& memory_;
  storage::lower_tier& disk_;
  pack_table table_;
  std::shared_ptr<place_context> context_;

  mutable std::mutex mutex_; ///< guards the map and `home_`
  std::map<storage::tenant_id, std::shared_ptr<place>> places_;
  net::loop* home_ = nullptr;
  std::atomic<bool> stopped_{false};

  std::mutex reads_mutex_;
  std::map<read_key, std::shared_ptr<shared_read>> reads_;
};

} // namespace forebay::cache::cold
