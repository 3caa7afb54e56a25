// What cache/ needs of the tiers, in the form that memory and disk share.
#pragma once

#include <cstdint>
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

/// Whose bytes these are, for quotas and metrics: index of the namespace in the configuration's table.
using tenant_id = std::uint16_t;

/// A slower tier below memory (the segment store). Thread-safe. None of its calls blocks the loop: `write`,
/// `put_record` and `erase` queue or drop, `find` looks only at the index, `read` works on the tier's own threads.
class lower_tier {
public:
  virtual ~lower_tier() = default;

  /// The first run of bytes held at or after `at` within `within`, from the index alone.
  virtual std::optional<byte_range> find(const version_key& version, byte_range within) = 0;
  /// Reads `wanted` (held, per `find`), verified block by block, into the memory tier. Gives the run that
  /// is now in memory; a damaged block is a miss: it ends the run early or gives not_found.
  virtual net::task<result<byte_range>> read(version_key version, byte_range wanted, net::deadline until) = 0;
  /// Takes a finished extent (grain-aligned or at the object's end), or drops it when the queue is full.
  virtual void write(const version_key& version, std::uint64_t offset, std::vector<net::slice> bytes,
                     tenant_id tenant) = 0;
  /// Forgets a version's extents.
  virtual void erase(const version_key& version) = 0;

  /// The latest metadata record of an object (encoded by cache/), replacing the one before.
  virtual void put_record(const object_key& object, std::string encoded) = 0;
  /// The record as it was put; nothing when there is none.
  virtual net::task<result<std::optional<std::string>>> find_record(object_key object, net::deadline until) = 0;
  /// A purge: durable when the task ends with success; a restart never resurrects what it covered.
  virtual net::task<result<void>> put_tombstone(object_key object, net::deadline until) = 0;
  /// Everything stored for a namespace under an older generation is gone; durable as above.
  virtual net::task<result<void>> put_generation(std::string namespace_path, std::uint64_t generation,
                                                 net::deadline until) = 0;
};

} // namespace forebay::storage
