#include "storage/disk/index_file.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"

namespace forebay::storage::disk {
namespace {

/// Pieces that are written or read at once: a megabyte.
constexpr std::size_t pieces_at_once = 16;

std::uint64_t checksum_of(std::span<const std::byte> piece, std::size_t used) noexcept {
  return xxh3_64(piece.first(used).subspan(sizeof(std::uint64_t)));
}

error damaged(const char* what) { return {error_kind::broken, "disk tier", what, false, 0, {}}; }

result<std::pair<index_rows, std::span<const std::byte>>> verified(std::span<const std::byte> piece,
                                                                   const index_head& head, std::uint64_t number) {
  index_piece told;
  std::memcpy(&told, piece.data(), sizeof told);
  const std::size_t each = row_bytes(told.kind);
  const bool fits = each > 0 && told.rows <= (piece.size() - sizeof told) / each;
  if (!fits || told.sequence != head.sequence || told.number != number) {
    return fail(damaged("a piece of the index is of another one"));
  }
  const std::size_t used = sizeof told + told.rows * each;
  if (told.checksum != checksum_of(piece, used)) return fail(damaged("a piece of the index is damaged"));
  return std::pair(told.kind, piece.first(used).subspan(sizeof told));
}

} // namespace

bool is_index_file(const std::string& name) noexcept {
  return std::find(index_file_names.begin(), index_file_names.end(), name) != index_file_names.end();
}

std::size_t row_bytes(index_rows kind) noexcept {
  switch (kind) {
  case index_rows::segments: return sizeof(index_segment);
  case index_rows::purges: return sizeof(index_purge);
  case index_rows::kept: return sizeof(index_kept);
  case index_rows::entries: return sizeof(segment_index::stored_entry);
  }
  return 0;
}

std::uint64_t pieces_for(index_rows kind, std::uint64_t rows) noexcept {
  const std::uint64_t in_one = (index_piece_bytes - sizeof(index_piece)) / row_bytes(kind);
  return (rows + in_one - 1) / in_one;
}

index_writer::index_writer(file& into, std::uint64_t sequence, std::uint64_t pieces_max)
    : into_(into), sequence_(sequence), pieces_max_(pieces_max), staged_(pieces_at_once * index_piece_bytes) {}

std::span<std::byte> index_writer::staged_piece() const noexcept {
  return staged_.span().subspan(whole_ * index_piece_bytes, index_piece_bytes);
}

result<void> index_writer::put(index_rows kind, std::span<const std::byte> rows) {
  const std::size_t each = row_bytes(kind);
  while (!rows.empty()) {
    if (used_ > 0 && (head_.kind != kind || used_ + each > index_piece_bytes)) {
      auto ended = end_piece();
      if (!ended) return fail(ended.error());
    }
    if (used_ == 0) {
      head_ = {};
      head_.kind = kind;
      used_ = sizeof head_;
    }
    const std::size_t bytes = std::min(rows.size(), (index_piece_bytes - used_) / each * each);
    std::memcpy(staged_piece().data() + used_, rows.data(), bytes);
    used_ += bytes;
    head_.rows += static_cast<std::uint32_t>(bytes / each);
    rows = rows.subspan(bytes);
  }
  return {};
}

result<std::uint64_t> index_writer::end_piece() {
  if (used_ > 0) {
    head_.number = written_ + whole_;
    head_.sequence = sequence_;
    if (head_.number == pieces_max_) return fail(error_kind::exhausted, "disk tier", "the index grew meanwhile");
    const auto piece = staged_piece();
    std::memset(piece.data() + used_, 0, piece.size() - used_);
    std::memcpy(piece.data(), &head_, sizeof head_);
    head_.checksum = checksum_of(piece, used_);
    std::memcpy(piece.data(), &head_, sizeof head_);
    used_ = 0;
    if (++whole_ == pieces_at_once) {
      auto done = flush();
      if (!done) return fail(done.error());
    }
  }
  return written_ + whole_;
}

result<void> index_writer::flush() {
  if (whole_ == 0) return {};
  auto written = into_.write(index_file_bytes(written_), staged_.span().first(whole_ * index_piece_bytes));
  if (!written) return written;
  written_ += std::exchange(whole_, 0);
  return {};
}

result<void>
read_index_pieces(file& from, const index_head& head, std::uint64_t first, std::uint64_t end,
                  const std::function<result<void>(index_rows kind, std::span<const std::byte> rows)>& take) {
  const sector_buffer buffer(pieces_at_once * index_piece_bytes);
  while (first < end) {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(pieces_at_once, end - first));
    auto read = from.read(index_file_bytes(first), buffer.span().first(count * index_piece_bytes));
    if (!read) return read;
    for (std::size_t i = 0; i < count; ++i, ++first) {
      const auto piece = verified(buffer.span().subspan(i * index_piece_bytes, index_piece_bytes), head, first);
      if (!piece) return fail(piece.error());
      auto taken = take(piece->first, piece->second);
      if (!taken) return taken;
    }
  }
  return {};
}

} // namespace forebay::storage::disk
