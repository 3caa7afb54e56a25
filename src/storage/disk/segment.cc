#include "storage/disk/segment.h"

#include <charconv>
#include <fmt/format.h>

namespace forebay::storage::disk {

std::string segment_file_name(std::uint64_t number) { return fmt::format("{:012}.seg", number); }

std::string segment::file_name() const { return segment_file_name(number); }

bool plausible(const footer_row& row, std::uint64_t segment_bytes) noexcept {
  const std::uint64_t position = std::uint64_t{row.position} * entry_align_bytes;
  const bool within = row.payload_bytes > 0 && row.payload_bytes <= payload_max(segment_bytes) &&
                      position >= sector_bytes && position + stored_bytes(row.payload_bytes) <= segment_bytes;
  if (!within || row.sequence >= sequence_max || row.tenant > segment_index::tenant_max) return false;
  if (row.kind == entry_kind::record) return true;
  constexpr std::uint64_t group = segment_index::group_bytes;
  return row.kind == entry_kind::extent && row.offset % grain_bytes == 0 &&
         row.offset < segment_index::object_bytes_max && row.offset % group + row.payload_bytes <= group;
}

place place_of(const footer_row& row, std::uint32_t slot) noexcept {
  place at;
  at.kind = row.kind;
  at.slot = slot;
  at.position = std::uint64_t{row.position} * entry_align_bytes;
  at.offset = row.kind == entry_kind::extent ? row.offset : 0; // a record's field tells something else
  at.payload_bytes = row.payload_bytes;
  at.tenant = row.tenant;
  at.kept = (row.flags & flag_kept) != 0;
  return at;
}

result<sector_span> read_sectors(file& from, std::uint64_t begin, std::uint64_t end) {
  const std::uint64_t first = begin / sector_bytes * sector_bytes;
  sector_span made{sector_buffer(static_cast<std::size_t>(round_up(end, sector_bytes) - first)),
                   static_cast<std::size_t>(begin - first)};
  auto read = from.read(first, made.sectors.span());
  if (!read) return fail(read.error());
  return made;
}

std::optional<std::uint64_t> segment_number(const std::string& file_name) {
  constexpr std::string_view ending = ".seg";
  constexpr std::size_t digits = 12;
  if (!file_name.ends_with(ending) || file_name.size() != digits + ending.size()) return std::nullopt;
  std::uint64_t number = 0;
  const char* const last = file_name.data() + file_name.size() - ending.size();
  const auto [end, failed] = std::from_chars(file_name.data(), last, number);
  if (failed != std::errc{} || end != last || number == 0) return std::nullopt;
  return number;
}

open_segment::open_segment(std::shared_ptr<segment> of, std::shared_ptr<file> into, std::uint64_t segment_bytes,
                           std::size_t batch_bytes, std::uint64_t begin, std::vector<footer_row> rows, noted_rows noted)
    : of_(std::move(of)),
      file_(std::move(into)),
      segment_bytes_(segment_bytes),
      batch_bytes_(batch_bytes),
      at_(begin),
      staged_at_(begin),
      staged_(batch_bytes + stored_bytes(payload_bytes_max) + 2 * sector_bytes),
      rows_(std::move(rows)),
      noted_(noted) {}

bool open_segment::fits(std::uint64_t payload) const noexcept {
  const std::uint64_t end = round_up(at_ + stored_bytes(payload), sector_bytes);
  return end + footer_bytes(rows_.size() + 1) <= segment_bytes_;
}

void open_segment::add(entry_head head, std::uint32_t turn, std::span<const std::span<const std::byte>> pieces,
                       pending then) {
  head.segment = of_->number;
  head.turn = turn_ = turn;
  const std::size_t room = static_cast<std::size_t>(at_ - staged_at_);
  const std::size_t length = write_entry(head, pieces, staged_.span().subspan(room));
  then.row = {head.kind,
              head.flags,
              head.tenant,
              head.payload_bytes,
              head.sequence,
              head.key,
              head.offset,
              static_cast<std::uint32_t>(at_ / entry_align_bytes),
              0};
  rows_.push_back(then.row);
  pending_.push_back(std::move(then));
  at_ += length;
}

result<std::vector<open_segment::pending>> open_segment::flush() {
  const std::uint64_t end = round_up(at_, sector_bytes);
  if (end > at_) {
    entry_head padding;
    padding.segment = of_->number;
    padding.turn = turn_;
    padding.payload_bytes = static_cast<std::uint32_t>(end - at_ - sizeof padding);
    seal(padding);
    std::byte* const to = staged_.data() + (at_ - staged_at_);
    std::memset(to, 0, static_cast<std::size_t>(end - at_));
    std::memcpy(to, &padding, sizeof padding);
  }
  const std::size_t length = static_cast<std::size_t>(end - staged_at_);
  auto written = file_->write(staged_at_, staged_.span().first(length));
  if (!written) return fail(written.error());
  written_bytes_ += length;
  at_ = staged_at_ = end;
  return std::exchange(pending_, {});
}

result<void> open_segment::note_rows(std::uint64_t every_bytes) {
  if (staged_at_ - noted_.to < every_bytes || rows_.size() == noted_.count) return {};
  const auto news = std::span<const footer_row>(rows_).subspan(noted_.count);
  const std::uint64_t length = footer_bytes(news.size());
  if (staged_at_ + length > noted_.at) return {};
  notes_trailer trailer;
  trailer.number = of_->number;
  trailer.data_begin = noted_.to;
  trailer.data_end = staged_at_;
  trailer.turn = turn_;
  const auto piece = render_notes(trailer, news);
  const sector_buffer aligned(piece.size());
  std::memcpy(aligned.data(), piece.data(), piece.size());
  auto written = file_->write(noted_.at - length, aligned.span());
  if (!written) return written;
  written_bytes_ += length;
  noted_ = {rows_.size(), staged_at_, noted_.at - length};
  return {};
}

result<void> open_segment::close() {
  const std::uint64_t rows_at = segment_bytes_ - footer_bytes(rows_.size());
  const auto footer = render_footer(of_->number, rows_, rows_at, at_);
  const sector_buffer aligned(footer.size());
  std::memcpy(aligned.data(), footer.data(), footer.size());
  auto done = file_->sync();
  if (!done) return done;
  done = file_->write(rows_at, aligned.span());
  if (!done) return done;
  written_bytes_ += footer.size();
  done = file_->sync();
  if (!done) return done;
  of_->has_footer.store(true, std::memory_order_release);
  return {};
}

} // namespace forebay::storage::disk
