// What must outlive a crash and is no bytes of objects: purges, and which directories belong together.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "storage/disk/volume.h"
#include "storage/keys.h"

namespace forebay::storage::disk {

/// One line of the control log. A purge covers every record with a lower sequence number.
struct control_entry {
  enum class kind_of : std::uint8_t {
    object,  ///< `key`: this object
    version, ///< `key`: this version's extents
    rule,    ///< `text`: records that the cache recognises by it (a prefix, a tag, a namespace)
    floor,   ///< everything
    members, ///< `text`: the directories of the store at that time, by identity
    tenant,  ///< `text`: "NUMBER NAME" of a namespace
  };
  kind_of kind = kind_of::object;
  std::uint64_t sequence = 0;
  key128 key;
  std::string text;
};

/// Text, a line an entry with a checksum, so that a person can read it and a torn last line is recognised. Kept in
/// every directory of the store.
class control_log {
public:
  static constexpr const char* file_name = "control.log";
  static constexpr std::size_t file_bytes_max = 64u << 20;

  explicit control_log(volume& in) : volume_(in) {}
  /// Entries up to the first damaged line, and whether there was one (a last line that is cut off is none: it was
  /// never acknowledged). A missing file is an empty log.
  struct loaded {
    std::vector<control_entry> entries;
    bool damaged = false;
  };
  result<loaded> load();
  /// Durable when it returns.
  result<void> append(const std::vector<control_entry>& entries);
  /// Replaces the log by these.
  result<void> rewrite(const std::vector<control_entry>& entries);

  static std::string render(const control_entry& entry);
  static bool parse(std::string_view line, control_entry& into);
  static bool parse_key(std::string_view text, key128& into); ///< 32 hexadecimal digits

private:
  volume& volume_;
};

} // namespace forebay::storage::disk
