// Digests that this node computed of whole representations, remembered for who asks next.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/hash.h"
#include "base/metrics.h"
#include "origin/checksum.h"
#include "origin/identity.h"

namespace forebay::front {

/// What digests may cost, whole node.
struct digest_limits {
  std::size_t remembered = 10'000;       ///< digests; the least recently used make room
  std::uint64_t answer_bytes = 1u << 20; ///< answers up to this are read whole before they begin, for their digest
  std::uint64_t held_bytes = 64u << 20;  ///< of all such answers at once; beyond, no digest is computed ahead
};

/// One for the node. Thread-safe.
class digest_memory {
public:
  explicit digest_memory(digest_limits limits);
  ~digest_memory();
  digest_memory(const digest_memory&) = delete;
  digest_memory& operator=(const digest_memory&) = delete;

  void update(digest_limits limits); ///< reload
  digest_limits limits() const;

  /// The name of one digest: of an object at one version. Versions without a validator have none.
  static key128 name_of(const origin::identity& object, const origin::validator& pinned, std::uint64_t length_bytes,
                        origin::digest_kind kind);
  std::optional<std::string> recall(const key128& name);
  void remember(const key128& name, std::string digest);
  void count_computed() noexcept { computed_.add(); }

  /// Room for a body that is held until its digest is known; given back when it goes. False: there is none.
  class room {
  public:
    room() = default;
    room(room&& other) noexcept : of_(std::exchange(other.of_, nullptr)), bytes_(other.bytes_) {}
    room& operator=(room&&) = delete;
    ~room();
    explicit operator bool() const noexcept { return of_ != nullptr; }

  private:
    friend class digest_memory;
    room(std::shared_ptr<digest_memory> of, std::uint64_t bytes) : of_(std::move(of)), bytes_(bytes) {}
    std::shared_ptr<digest_memory> of_;
    std::uint64_t bytes_ = 0;
  };
  static room take_room(const std::shared_ptr<digest_memory>& of, std::uint64_t bytes);

private:
  struct entry {
    key128 name;
    std::string digest;
  };
  using order = std::list<entry>;
  void trim(); ///< under the mutex

  mutable std::mutex mutex_;
  digest_limits limits_;
  std::uint64_t held_bytes_ = 0;
  order entries_; ///< the most recently used first
  std::unordered_map<key128, order::iterator, key128_hash> by_name_;
  metrics::gauge& count_;
  metrics::counter& computed_;
};

} // namespace forebay::front
