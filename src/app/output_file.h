// A download on its way to its name: written beside it, renamed when it is whole.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "origin/checksum.h"

namespace forebay::app {

/// `NAME.part` and its notes `NAME.part.json`. Owner: one command; blocking calls.
class output_file {
public:
  explicit output_file(std::string name);
  ~output_file();
  output_file(const output_file&) = delete;
  output_file& operator=(const output_file&) = delete;

  /// Bytes of an earlier attempt; 0 where there is none.
  std::uint64_t partial_bytes() const;
  std::string read_notes() const; ///< empty where there are none
  result<void> write_notes(const std::string& text);

  /// Opens the part for writing at `from`; what lay behind it is cut off.
  result<void> open(std::uint64_t from);
  result<void> write(std::span<const std::byte> bytes);
  std::uint64_t written_bytes() const noexcept { return at_; }
  /// The digest of the whole part, read from the disk: also of bytes that an earlier attempt wrote.
  result<std::string> digest(origin::digest_kind kind) const;
  /// Syncs, renames to the name and removes the notes.
  result<void> finish();
  /// Removes part and notes: they proved wrong.
  void discard();

private:
  error failure(const std::string& during) const;
  std::string name_, part_, notes_;
  int fd_ = -1;
  std::uint64_t at_ = 0;
};

} // namespace forebay::app
