// A directory of files, as the disk tier needs it: the real one, and a fake one that tests can break.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace forebay::storage::disk {

/// One open file. Thread-safe for reads; one writer. Blocks: never called on a loop.
class file {
public:
  virtual ~file() = default;
  /// All of `into` from `at`; `broken` for an I/O error or an early end. Sector-aligned: offset, length and memory.
  virtual result<void> read(std::uint64_t at, std::span<std::byte> into) = 0;
  /// All of `from`; `exhausted` on a full disk, `broken` for another error. Aligned as above.
  virtual result<void> write(std::uint64_t at, std::span<const std::byte> from) = 0;
  /// What was written survives a loss of power.
  virtual result<void> sync() = 0;
};

/// Errors: `not_found`, `exhausted` (disk full), `forbidden` (no right, read-only), `broken` (I/O error).
class volume {
public:
  virtual ~volume() = default;
  virtual const std::string& name() const noexcept = 0; ///< for messages and labels: the path
  virtual result<std::vector<std::string>> list() = 0;
  virtual result<std::unique_ptr<file>> open(const std::string& name) = 0; ///< for reading and writing
  /// A new file of `bytes` zero bytes whose room is really taken.
  virtual result<std::unique_ptr<file>> create(const std::string& name, std::uint64_t bytes) = 0;
  virtual result<void> remove(const std::string& name) = 0;
  /// Small files, whole; `write_small` replaces the file in one step and is durable when it returns.
  virtual result<std::string> read_small(const std::string& name, std::size_t limit_bytes) = 0;
  virtual result<void> write_small(const std::string& name, std::string_view text) = 0;
  /// Appends to a small file; durable when it returns.
  virtual result<void> append_small(const std::string& name, std::string_view text) = 0;
};

/// A directory of this machine, made if it is missing, and locked against a second process (`exhausted` when another
/// one has it). O_DIRECT where the file system takes it.
result<std::unique_ptr<volume>> open_directory(const std::string& path, bool read_only = false);

/// Memory on a sector's boundary. Each thread keeps the last large one for its next: a read of the disk would otherwise
/// touch new pages, which costs more than the check of what it read.
class sector_buffer {
public:
  explicit sector_buffer(std::size_t bytes);
  std::span<std::byte> span() const noexcept { return {data_.get(), bytes_}; }
  std::byte* data() const noexcept { return data_.get(); }
  std::size_t size_bytes() const noexcept { return bytes_; }

private:
  struct freed {
    std::size_t room_bytes;
    void operator()(std::byte* data) const noexcept;
  };
  using memory = std::unique_ptr<std::byte[], freed>;
  static memory take(std::size_t room_bytes);
  memory data_;
  std::size_t bytes_;
};

} // namespace forebay::storage::disk
