#include "storage/disk/check.h"

#include <algorithm>

#include "storage/disk/recovery.h"
#include "storage/disk/segment.h"

namespace forebay::storage::disk {
namespace {

/// Counts an entry; reads it where it is to be verified.
void look_at(file& from, const std::string& name, const footer_row& row, bool verify, check_report& into) {
  const bool record = row.kind == entry_kind::record;
  ++(record ? into.records : into.extents);
  into.payload_bytes += row.payload_bytes;
  if (!verify) return;
  const place at = place_of(row, 0);
  std::size_t good = 0;
  if (const auto stored = read_sectors(from, at.position, at.position + stored_bytes(row.payload_bytes))) {
    const auto head = read_entry_head(stored->bytes());
    const bool same = head && head->kind == row.kind && head->key == row.key && head->offset == row.offset;
    if (same) good = verify_blocks(row.key, row.offset, row.payload_bytes, stored->bytes().subspan(sizeof(entry_head)));
  }
  into.verified_bytes += good;
  if (good == row.payload_bytes) return;
  ++into.damaged;
  if (into.first_damaged.size() >= check_report::damaged_listed) return;
  into.first_damaged.push_back({name, at.position, row.key, record ? 0 : row.offset + good, record});
}

void look_at_segment(volume& in, const std::string& name, const directory_mark& mark, bool verify, check_report& into) {
  const std::uint64_t number = *segment_number(name);
  auto opened = in.open(name);
  const sector_buffer sector(sector_bytes);
  const bool readable = opened && (*opened)->read(0, sector.span());
  const auto head = readable ? read_segment_head(sector.span())
                             : result<segment_head>(fail(error_kind::broken, "disk tier", "unreadable"));
  if (!head || head->number != number || head->store != mark.identity) {
    ++into.unreadable_segments;
    return;
  }
  ++into.segments;
  into.disk_bytes += head->segment_bytes;
  const told_rows told = read_segment_rows(**opened, number, head->segment_bytes);
  if (!told.has_footer) ++into.open_segments;
  for (const footer_row& row : told.found.rows) look_at(**opened, name, row, verify, into);
}

/// The head is written last: without one, a kill came first.
void look_at_index(volume& in, const std::string& name, const directory_mark& mark, check_report& into) {
  auto opened = in.open(name);
  const sector_buffer sector(sector_bytes);
  if (!opened || !(*opened)->read(0, sector.span())) return;
  const auto head = read_index_head(sector.span());
  if (!head || head->store != mark.identity) return;
  into.index_entries = head->entries;
  const auto read = read_index_pieces(**opened, *head, 0, head->pieces, [](auto, auto) { return result<void>{}; });
  into.index_damaged = into.index_damaged || !read;
}

} // namespace

result<check_report> check_directory(volume& in, bool verify) {
  auto text = in.read_small(directory_mark::file_name, 4096);
  if (!text) {
    return fail(error_kind::not_found, "disk tier",
                in.name() + " is no directory of the disk tier: " + text.error().context);
  }
  auto mark = directory_mark::parse(*text, in.name());
  if (!mark) return fail(mark.error());
  auto names = in.list();
  if (!names) return fail(names.error());
  check_report report;
  if (auto purges = control_log(in).load()) {
    report.purges = purges->entries.size();
    report.purges_damaged = purges->damaged;
  } else {
    report.purges_damaged = true;
  }
  std::sort(names->begin(), names->end());
  for (const auto& each : *names) {
    if (segment_number(each)) look_at_segment(in, each, *mark, verify, report);
    if (is_index_file(each)) look_at_index(in, each, *mark, report);
  }
  return report;
}

} // namespace forebay::storage::disk
