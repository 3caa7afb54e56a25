// Which extent lies in which pack of a cold tier.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "cache/cold/pack.h"
#include "net/slice.h"
#include "storage/disk/segment_index.h"

namespace forebay::cache::cold {

class place;

/// A pack, stored or on its way. Its rows are kept, so that it can be forgotten without a walk through the index.
struct pack {
  pack_name name;
  std::uint64_t size_bytes = 0;
  std::weak_ptr<place> in;
  std::shared_ptr<const std::atomic<bool>> readable; ///< of its place
  std::uint32_t slot = 0;

  /// Until it is stored: a reader need not wait for that.
  net::slice body() const {
    const std::lock_guard guard(mutex_);
    return body_;
  }
  void set_body(net::slice bytes) {
    const std::lock_guard guard(mutex_);
    body_ = std::move(bytes);
  }

private:
  friend class pack_table;
  struct row {
    std::uint64_t key = 0; ///< first half of the version key: more the index does not know either
    std::uint64_t offset = 0;
    std::uint32_t position = 0;
  };
  std::vector<row> rows_;
  mutable std::mutex mutex_;
  net::slice body_;
};

/// The packs of all places and the index over them, 56 bytes an extent. Thread-safe; no lock is held for more than a
/// look, but for the adding and removing of a whole pack.
class pack_table {
public:
  static constexpr std::uint64_t bytes_per_extent = 56;

  /// Its extents can be found as they are added.
  void enter(const std::shared_ptr<pack>& made);
  /// Of an extent that another pack has already, that one is found. One thread at a time for each pack.
  void add(pack& to, const storage::disk::footer_row& row);
  /// Nothing of it is found any more.
  void remove(pack& gone);

  /// The first run at or after `within.begin` whose pack can be read.
  std::optional<byte_range> find(const storage::version_key& version, byte_range within) const;
  struct found {
    std::shared_ptr<pack> in;
    storage::disk::place at;
  };
  std::optional<found> covering(const storage::version_key& version, std::uint64_t at) const;
  /// Forgets one extent: its bytes are damaged.
  void forget(const storage::version_key& version, const found& damaged);
  /// Whether there is anything of the version in what is looked at without a long walk.
  bool may_hold(const storage::version_key& version) const;

  std::uint64_t extents() const noexcept { return index_.entries(); }
  std::uint64_t memory_bytes() const noexcept { return index_.entries() * bytes_per_extent; }

private:
  std::shared_ptr<pack> at_slot(std::uint32_t slot) const;

  storage::disk::segment_index index_;
  mutable std::mutex mutex_;
  std::unordered_map<std::uint32_t, std::shared_ptr<pack>> packs_;
  std::atomic<std::size_t> count_{0}; ///< of `packs_`: a node whose cold tier is empty looks at nothing else
  std::uint32_t next_slot_ = 0;       ///< slots are not used again before four thousand million packs have passed
};

} // namespace forebay::cache::cold
