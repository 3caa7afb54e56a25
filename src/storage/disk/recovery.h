// Opening a directory: what is it, and what lies in its segments.
#pragma once

#include <future>

#include "storage/disk/control_log.h"
#include "storage/disk/index_file.h"
#include "storage/disk/segment_rows.h"
#include "storage/disk/shelf.h"

namespace forebay::storage::disk {

/// What a directory's own file says.
struct directory_mark {
  static constexpr const char* file_name = "forebay.store";
  std::uint32_t version = format_version;
  key128 identity;
  std::uint64_t segment_bytes = 0;

  std::string render() const;
  /// unsupported for a newer version or the other byte order, broken for anything that is none of our marks.
  static result<directory_mark> parse(std::string_view text, const std::string& directory);
};

/// The mark of a directory, made when it is empty. invalid_input for a directory that holds other files.
result<directory_mark> claim_directory(volume& in, const shelf_settings& settings);

/// Fills a shelf's table and index: from the index that was kept and what was written behind it, or, without one, from
/// all segments. Newest segments first, so that of two copies of an extent (a crash in the middle
/// of an eviction) the later one counts; of the records of an object, the one with the highest sequence number.
class shelf_recovery {
public:
  explicit shelf_recovery(shelf& into) : shelf_(into) {}
  result<void> run();

private:
  struct record_row {
    std::uint64_t key; ///< all of it that the index looks at
    std::uint64_t sequence;
    std::uint32_t slot, position, payload_bytes;
    bool operator<(const record_row& other) const noexcept {
      return std::tie(key, sequence) < std::tie(other.key, other.sequence);
    }
  };
  /// A segment as it was read; what is done about it comes in the order of the numbers.
  struct read_segment {
    std::uint64_t number = 0;
    std::shared_ptr<file> from;
    result<segment_head> head = fail(error_kind::internal, "disk tier", "not read");
    told_rows told;
    std::shared_ptr<segment> in; ///< of the kept index, which knows
    std::size_t known = 0;       ///< so many of its rows
  };
  read_segment read(std::uint64_t number);
  result<void> load(read_segment each);
  result<void> load_in_turn(const std::vector<std::uint64_t>& numbers);
  result<void> load_ahead(const std::vector<std::uint64_t>& numbers);
  void reserve(std::uint64_t rows, std::size_t segments);
  bool index_is_full();
  void take(segment& in, std::span<const footer_row> rows, std::size_t known);
  void insert_extents(segment& in, std::span<segment_index::incoming> extents);
  void insert_records();
  void reopen(segment& in, std::shared_ptr<file> from, scanned found);

  // index_recovery.cc
  struct kept_index {
    std::string name;
    std::shared_ptr<file> from;
    index_head head;
    std::vector<index_segment> segments;
    std::vector<index_purge> purges;
    std::vector<index_kept> kept;
  };
  bool load_kept(const std::vector<std::string>& names, const std::vector<std::uint64_t>& numbers);
  result<void> forget_kept(const std::vector<std::string>& names);
  std::optional<kept_index> find_kept(const std::vector<std::string>& names);
  result<kept_index> open_kept(const std::string& name);
  bool fits(const index_head& head) const;
  std::vector<read_segment> read_all(const std::vector<std::uint64_t>& numbers);
  result<void> take_kept(kept_index& kept, const std::vector<std::uint64_t>& numbers, std::vector<read_segment>& rest);
  std::vector<std::shared_ptr<segment>> add_known(const kept_index& kept, const std::vector<std::uint64_t>& numbers);
  result<void> take_entries(kept_index& kept, std::span<const std::shared_ptr<segment>> by_slot);
  result<void> take_part(const kept_index& kept, std::uint64_t first, std::uint64_t end, segment_index::adoption& as);
  /// How work that need not wait for other work is done: in threads, or in one order of operations.
  std::launch beside() const noexcept;
  void obey_new_purges(const kept_index& kept);
  void start_over();

  shelf& shelf_;
  std::vector<std::shared_ptr<segment>> in_slot_;
  std::vector<record_row> records_;
  std::uint64_t highest_sequence_ = 0;
  std::uint64_t kept_up_to_ = 0; ///< `index_head::written`, when one was loaded
  bool full_ = false;
};

} // namespace forebay::storage::disk
