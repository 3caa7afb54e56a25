#include "storage/disk/segment_rows.h"

#include <algorithm>

#include "storage/disk/segment.h"

namespace forebay::storage::disk {
namespace {

/// What a scan reads at once where entries follow each other closely, and where it hops over payloads.
constexpr std::size_t scan_bytes = 1u << 20;
constexpr std::size_t hop_bytes = 16u << 10;
/// Payloads shorter than this are read along: a megabyte costs a disk no more than a dozen hops.
constexpr std::size_t hop_least = 96u << 10;
/// Read at once from a segment's end: this share of it, which holds the footer where entries are of 25 kB and more.
constexpr std::uint64_t tail_share = 256;
constexpr std::uint64_t tail_bytes_min = 128u << 10;
/// A file read from the front, a window at a time.
class scan_window {
public:
  scan_window(file& in, std::uint64_t length) : in_(in), length_(length), bytes_(scan_bytes) {}
  /// `count` bytes at `at`, or nothing when they cannot be read.
  std::span<const std::byte> look(std::uint64_t at, std::size_t count) {
    if (at + count > length_) return {};
    if (at < begin_ || at + count > end_) {
      const std::uint64_t from = at / sector_bytes * sector_bytes;
      const bool next = from >= begin_ && from <= end_ + hop_least;
      const std::uint64_t until = std::min(from + (next ? scan_bytes : hop_bytes), length_);
      if (!in_.read(from, bytes_.span().first(static_cast<std::size_t>(until - from)))) return {};
      begin_ = from;
      end_ = until;
    }
    return std::span<const std::byte>(bytes_.span()).subspan(static_cast<std::size_t>(at - begin_), count);
  }

private:
  file& in_;
  const std::uint64_t length_;
  std::uint64_t begin_ = 0, end_ = 0;
  sector_buffer bytes_;
};

/// The last bytes of a segment: enough for the footer of most, or, when they cannot be read, for the trailer.
result<sector_buffer> read_tail(file& in, std::uint64_t segment_bytes) {
  const std::uint64_t wanted = round_up(std::max(segment_bytes / tail_share, tail_bytes_min), sector_bytes);
  sector_buffer tail(static_cast<std::size_t>(std::min(wanted, segment_bytes)));
  if (in.read(segment_bytes - tail.size_bytes(), tail.span())) return tail;
  sector_buffer last(sector_bytes);
  auto read = in.read(segment_bytes - sector_bytes, last.span());
  if (!read) return fail(read.error());
  return last;
}

/// What was noted at the segment's end: each piece goes on where the one before, which lies behind it, ended. A piece
/// of an older run than the one before it is left of what a loss of power took.
scanned read_notes(file& in, const result<sector_buffer>& tail, std::uint64_t number, std::uint64_t segment_bytes) {
  scanned found;
  found.noted.at = segment_bytes;
  if (!tail) return found;
  const std::uint64_t tail_at = segment_bytes - tail->size_bytes();
  sector_buffer more(0);
  /// The bytes [begin, end) of the file: out of the tail, where they lie in it.
  const auto bytes_of = [&](std::uint64_t begin, std::uint64_t end) -> std::span<const std::byte> {
    if (begin >= tail_at) return std::span<const std::byte>(tail->span()).subspan(begin - tail_at, end - begin);
    more = sector_buffer(static_cast<std::size_t>(end - begin));
    if (!in.read(begin, more.span())) return {};
    return more.span();
  };
  while (found.noted.at >= found.end + 2 * sector_bytes) {
    const auto trailer = read_notes_trailer(bytes_of(found.noted.at - sector_bytes, found.noted.at));
    const bool goes_on = trailer && trailer->number == number && trailer->data_begin == found.end &&
                         trailer->data_end > found.end && trailer->data_end % sector_bytes == 0 &&
                         trailer->turn >= found.turn && trailer->rows <= segment_bytes / sizeof(footer_row);
    if (!goes_on) break;
    const std::uint64_t length = footer_bytes(trailer->rows);
    if (length > found.noted.at - trailer->data_end || trailer->data_end > found.noted.at) break;
    const auto rows = read_rows(*trailer, bytes_of(found.noted.at - length, found.noted.at - sector_bytes));
    if (!rows) break;
    for (const footer_row& row : *rows) {
      if (plausible(row, segment_bytes)) found.rows.push_back(row);
    }
    found.end = trailer->data_end;
    found.turn = trailer->turn;
    found.noted.at -= length;
  }
  found.noted.count = found.rows.size();
  found.noted.to = found.end;
  return found;
}

/// On from where `found` ends.
void scan_on(file& in, std::uint64_t number, std::uint64_t segment_bytes, scanned& found) {
  scan_window window(in, segment_bytes);
  while (found.end + sizeof(entry_head) <= segment_bytes) {
    const auto head = read_entry_head(window.look(found.end, sizeof(entry_head)));
    if (!head || head->segment != number || head->turn < found.turn) break;
    found.turn = head->turn;
    if (head->kind == entry_kind::padding) {
      const std::uint64_t next = found.end + sizeof(entry_head) + head->payload_bytes;
      if (next % entry_align_bytes != 0) break;
      found.end = next;
      continue;
    }
    const std::uint64_t after = found.end + stored_bytes(head->payload_bytes);
    if (after > segment_bytes) break;
    const footer_row row{head->kind,
                         head->flags,
                         head->tenant,
                         head->payload_bytes,
                         head->sequence,
                         head->key,
                         head->offset,
                         static_cast<std::uint32_t>(found.end / entry_align_bytes),
                         0};
    if (plausible(row, segment_bytes)) found.rows.push_back(row);
    found.end = after;
  }
}

result<scanned> footer_in(file& in, const result<sector_buffer>& tail, std::uint64_t number,
                          std::uint64_t segment_bytes) {
  if (!tail) return fail(tail.error());
  const auto trailer = read_trailer(tail->span().last(sector_bytes));
  const auto none = [] { return fail(error_kind::not_found, "disk tier", "the segment has no footer"); };
  const std::uint64_t most = (segment_bytes - 2 * sector_bytes) / sizeof(footer_row);
  if (!trailer || trailer->number != number || trailer->rows > most) return none();
  if (trailer->rows_at != segment_bytes - footer_bytes(trailer->rows)) return none();
  const auto rows_bytes = static_cast<std::size_t>(segment_bytes - sector_bytes - trailer->rows_at);
  auto rows = tail->span().first(tail->size_bytes() - sector_bytes);
  const sector_buffer longer(rows_bytes > rows.size() ? rows_bytes : 0);
  if (longer.size_bytes() > 0) {
    auto read = in.read(trailer->rows_at, longer.span());
    if (!read) return fail(read.error());
    rows = longer.span();
  }
  auto parsed = read_rows(*trailer, rows.last(rows_bytes));
  if (!parsed) return none();
  std::erase_if(*parsed, [segment_bytes](const footer_row& row) { return !plausible(row, segment_bytes); });
  scanned found;
  found.rows = std::move(*parsed);
  found.end = trailer->data_end;
  return found;
}

} // namespace

scanned scan_segment(file& in, std::uint64_t number, std::uint64_t segment_bytes) {
  scanned found;
  found.noted.at = segment_bytes;
  scan_on(in, number, segment_bytes, found);
  return found;
}

/// Turns the rest of the sector in which the log ends into padding: whatever a torn write left there would end the next
/// scan too, in front of everything that is appended from now on.
result<std::uint64_t> pad_tail(file& in, std::uint64_t number, const scanned& found) {
  const std::uint64_t end = found.end;
  const std::uint64_t whole = round_up(end, sector_bytes);
  if (whole == end) return whole;
  const sector_buffer sector(sector_bytes);
  auto done = in.read(whole - sector_bytes, sector.span());
  if (!done) return fail(done.error());
  entry_head padding;
  padding.segment = number;
  padding.turn = found.turn;
  padding.payload_bytes = static_cast<std::uint32_t>(whole - end - sizeof padding);
  seal(padding);
  const auto rest = sector.span().last(static_cast<std::size_t>(whole - end));
  std::memset(rest.data(), 0, rest.size());
  std::memcpy(rest.data(), &padding, sizeof padding);
  done = in.write(whole - sector_bytes, sector.span());
  if (!done) return fail(done.error());
  return whole;
}

result<scanned> read_footer(file& in, std::uint64_t number, std::uint64_t segment_bytes) {
  return footer_in(in, read_tail(in, segment_bytes), number, segment_bytes);
}

told_rows read_segment_rows(file& in, std::uint64_t number, std::uint64_t segment_bytes) {
  const auto tail = read_tail(in, segment_bytes);
  auto footer = footer_in(in, tail, number, segment_bytes);
  if (footer) return {std::move(*footer), true};
  scanned found = read_notes(in, tail, number, segment_bytes);
  scan_on(in, number, segment_bytes, found);
  return {std::move(found), false};
}

} // namespace forebay::storage::disk
