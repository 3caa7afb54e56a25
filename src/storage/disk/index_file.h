// An index that was kept, as a file: its pieces are written and read here; what they mean, the shelf knows.
#pragma once

#include <functional>
#include <string>

#include "storage/disk/format.h"
#include "storage/disk/segment_index.h"
#include "storage/disk/volume.h"

namespace forebay::storage::disk {

/// In turns: the one that counts stays until the other one is whole.
inline constexpr std::array<const char*, 2> index_file_names{"index.0", "index.1"};
bool is_index_file(const std::string& name) noexcept;

std::size_t row_bytes(index_rows kind) noexcept;
/// Pieces that so many rows of a kind take.
std::uint64_t pieces_for(index_rows kind, std::uint64_t rows) noexcept;
constexpr std::uint64_t index_file_bytes(std::uint64_t pieces) noexcept {
  return sector_bytes + pieces * index_piece_bytes;
}

/// Writes pieces behind the head, which the caller writes last. One thread.
class index_writer {
public:
  index_writer(file& into, std::uint64_t sequence, std::uint64_t pieces_max);
  /// exhausted when there are more than was made room for.
  result<void> put(index_rows kind, std::span<const std::byte> rows);
  template <class Row>
  result<void> put(index_rows kind, const std::vector<Row>& rows) {
    return put(kind, std::as_bytes(std::span(rows)));
  }
  /// Rows of another kind begin a piece. Gives the number of pieces so far.
  result<std::uint64_t> end_piece();
  /// Everything is in the file.
  result<void> flush();

private:
  std::span<std::byte> staged_piece() const noexcept;

  file& into_;
  const std::uint64_t sequence_, pieces_max_;
  sector_buffer staged_;
  std::uint64_t written_ = 0; ///< pieces in the file
  std::size_t whole_ = 0;     ///< pieces in `staged_`, without the last one
  index_piece head_;          ///< of the last one
  std::size_t used_ = 0;      ///< of its bytes
};

/// Reads the pieces [first, end) and verifies each before `take` sees its rows. broken, or what `take` says.
result<void>
read_index_pieces(file& from, const index_head& head, std::uint64_t first, std::uint64_t end,
                  const std::function<result<void>(index_rows kind, std::span<const std::byte> rows)>& take);

} // namespace forebay::storage::disk
