// Opening a directory: what is it, and what lies in its segments.
#pragma once

#include "storage/disk/control_log.h"
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

/// Rows of a segment without a footer, by its entries' heads, and where the last one ends.

/// Fills a shelf's table and index. Newest segments first, so that of two copies of an extent (a crash in the middle
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
    bool has_footer = false;
    scanned found;
  };
  read_segment read(std::uint64_t number);
  result<void> load(read_segment each);
  result<void> load_in_turn(const std::vector<std::uint64_t>& numbers);
  result<void> load_ahead(const std::vector<std::uint64_t>& numbers);
  void reserve(std::uint64_t rows, std::size_t segments);
  bool index_is_full();
  void take(segment& in, const std::vector<footer_row>& rows);
  void insert_extents(segment& in, std::span<segment_index::incoming> extents);
  void insert_records();
  void reopen(segment& in, std::shared_ptr<file> from, scanned found);

  shelf& shelf_;
  std::vector<std::shared_ptr<segment>> in_slot_;
  std::vector<record_row> records_;
  std::uint64_t highest_sequence_ = 0;
  bool full_ = false;
};

} // namespace forebay::storage::disk
