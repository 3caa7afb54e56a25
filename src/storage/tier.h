// What cache/ needs of the tiers, in the form that memory and disk share.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/slice.h"
#include "net/task.h"
#include "net/wait.h"
#include "storage/keys.h"

namespace forebay::storage {

/// Whose bytes these are, for quotas and metrics: a namespace's number, which the disk tier keeps over runs.
using tenant_id = std::uint16_t;
inline constexpr tenant_id open_stores_tenant = 0; ///< all open stores together

/// The latest metadata record of an object, and its place in the order of all records and purges.
struct stored_record {
  std::string encoded;
  std::uint64_t sequence = 0;
};

/// A purge that names no single object: it covers every record with a lower sequence number that `text` describes, in
/// the words of cache/ (a prefix of identities, a tag).
struct purge_rule {
  std::uint64_t sequence = 0;
  std::string text;
};

/// A slower tier below memory (the segment store). Thread-safe. None of its calls blocks the loop: `write`,
/// `put_record` and `erase` queue or drop, `find` looks only at the index, the tasks work on the tier's own threads.
///
/// Bytes are found by their version alone, so a purge must take the way to the version: a version key contains a number
/// from `stamp` that its object got when it was first seen (or seen again after a purge), and that number lives in the
/// object's record. Without the record nothing leads to the bytes; they leave in their turn.
class lower_tier {
public:
  virtual ~lower_tier() = default;

  /// The first run of bytes held at or after `at` within `within`, from the index alone. Looks 64 GiB ahead at most.
  virtual std::optional<byte_range> find(const version_key& version, byte_range within) = 0;
  /// Reads `wanted` (held, per `find`), verified block by block, into the memory tier. Gives the run that
  /// is now in memory; a damaged block is a miss: it ends the run early or gives not_found. exhausted when the tier
  /// has more to read than it can, or memory has no room; timeout, broken (I/O error).
  virtual net::task<result<byte_range>> read(version_key version, byte_range wanted, net::deadline until) = 0;
  /// Takes an extent (it begins on a grain and ends on one, or at the object's end), or drops it when the queue is
  /// full. What is there already is not written again.
  virtual void write(const version_key& version, std::uint64_t offset, std::vector<net::slice> bytes,
                     tenant_id tenant) = 0;
  /// Forgets a version's extents, for ever: nothing is found under this key again.
  virtual void erase(const version_key& version) = 0;

  /// The latest metadata record of an object (encoded by cache/), replacing the one before. `version` is what it leads
  /// to: a record stays as long as bytes of it do. `kept`: these bytes are not evicted, as far as there is room for
  /// such, while the check of `set_keep_check` says so.
  virtual void put_record(const object_key& object, const version_key& version, std::string encoded, bool kept) = 0;
  /// Asked before kept bytes would be evicted, on a thread of the tier, whether this record's shall be kept still.
  /// Without a check they are.
  using keep_check = std::function<bool(const stored_record&)>;
  virtual void set_keep_check(keep_check check) = 0;
  /// True when `find_record` would have to look on disk: an index lookup.
  virtual bool may_have_record(const object_key& object) const = 0;
  /// The record as it was put; nothing when there is none.
  virtual net::task<result<std::optional<stored_record>>> find_record(object_key object, net::deadline until) = 0;

  /// A purge of one object: in force at once, durable when the task ends with success.
  virtual net::task<result<void>> put_tombstone(object_key object, net::deadline until) = 0;
  /// A purge by rule; the same. Rules that cover nothing any more are dropped at the next start.
  virtual net::task<result<void>> put_rule(std::string text, net::deadline until) = 0;
  virtual std::vector<purge_rule> rules() const = 0;
  /// A number that was never given out before, in this run or an earlier one.
  virtual std::uint64_t stamp() = 0;
};

} // namespace forebay::storage
