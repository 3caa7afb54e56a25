#include "storage/disk/recovery.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <fmt/format.h>
#include <openssl/rand.h>

#include "base/hash.h"
#include "base/log.h"

namespace forebay::storage::disk {
namespace {

constexpr std::size_t mark_bytes_max = 4096;
/// What a scan reads at once where entries follow each other closely, and where it hops over payloads.
constexpr std::size_t scan_bytes = 1u << 20;
constexpr std::size_t hop_bytes = 16u << 10;
/// Sequence numbers left out after a start: entries of a torn tail, beyond the end that we found, may have some.
constexpr std::uint64_t sequence_gap = 1u << 20;

constexpr std::string_view byte_order_name = std::endian::native == std::endian::little ? "little" : "big";

std::string_view value_of(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.starts_with(key) && line.size() > key.size() && line[key.size()] == ' ')
      return line.substr(key.size() + 1);
  }
  return {};
}

std::uint64_t number_in(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::uint64_t segment_bytes_for(const shelf_settings& settings) {
  const std::uint64_t most = std::bit_floor(std::max<std::uint64_t>(settings.size_bytes / 64, segment_bytes_min));
  return std::clamp(std::min(std::bit_floor(settings.segment_bytes), most), segment_bytes_min, segment_bytes_max);
}

/// A file read from the front, a window at a time.
class scan_window {
public:
  scan_window(file& in, std::uint64_t length) : in_(in), length_(length), bytes_(scan_bytes) {}
  /// `count` bytes at `at`, or nothing when they cannot be read.
  std::span<const std::byte> look(std::uint64_t at, std::size_t count) {
    if (at + count > length_) return {};
    if (at < begin_ || at + count > end_) {
      const std::uint64_t from = at / sector_bytes * sector_bytes;
      const bool next = from <= end_ && from >= begin_;
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

} // namespace

std::string directory_mark::render() const {
  return fmt::format("forebay store\nversion {}\nendian {}\nidentity {}\nsegment_bytes {}\n", version, byte_order_name,
                     hex(identity.bytes), segment_bytes);
}

result<directory_mark> directory_mark::parse(std::string_view text, const std::string& directory) {
  if (!text.starts_with("forebay store\n")) {
    return fail(error_kind::broken, "disk tier", directory + "/" + file_name + " is not a mark of Forebay's");
  }
  directory_mark found;
  found.version = static_cast<std::uint32_t>(number_in(value_of(text, "version")));
  if (found.version > format_version) {
    return fail(error_kind::unsupported, "disk tier",
                fmt::format("{} was written by a newer Forebay (format {}, this one knows up to {})", directory,
                            found.version, format_version));
  }
  const auto endian = value_of(text, "endian");
  if (endian != byte_order_name) {
    return fail(error_kind::unsupported, "disk tier",
                fmt::format("{} was written in {}-endian byte order, this machine is {}-endian", directory, endian,
                            byte_order_name));
  }
  const auto identity = value_of(text, "identity");
  found.segment_bytes = number_in(value_of(text, "segment_bytes"));
  const bool sane = found.version > 0 && control_log::parse_key(identity, found.identity) &&
                    found.segment_bytes >= segment_bytes_min && found.segment_bytes <= segment_bytes_max;
  if (!sane) return fail(error_kind::broken, "disk tier", directory + "/" + file_name + " is damaged");
  return found;
}

result<directory_mark> claim_directory(volume& in, const shelf_settings& settings) {
  auto text = in.read_small(directory_mark::file_name, mark_bytes_max);
  if (text) return directory_mark::parse(*text, in.name());
  if (text.error().kind != error_kind::not_found) return fail(text.error());
  auto names = in.list();
  if (!names) return fail(names.error());
  for (const auto& each : *names) {
    if (each == "lost+found") continue;
    return fail(error_kind::invalid_input, "disk tier",
                fmt::format("{} holds other files ({}): expected an empty directory or one that Forebay made",
                            in.name(), each));
  }
  directory_mark made;
  made.segment_bytes = segment_bytes_for(settings);
  if (RAND_bytes(made.identity.bytes.data(), static_cast<int>(made.identity.bytes.size())) != 1) {
    return fail(error_kind::internal, "disk tier", "no random bytes for the directory's identity");
  }
  auto written = in.write_small(directory_mark::file_name, made.render());
  if (!written) return fail(written.error());
  return made;
}

scanned scan_segment(file& in, std::uint64_t number, std::uint64_t segment_bytes) {
  scanned found;
  scan_window window(in, segment_bytes);
  while (found.end + sizeof(entry_head) <= segment_bytes) {
    const auto head = read_entry_head(window.look(found.end, sizeof(entry_head)));
    if (!head || head->segment != number) break;
    if (head->kind == entry_kind::padding) {
      found.end += sizeof(entry_head) + head->payload_bytes;
      continue;
    }
    const std::uint64_t after = found.end + stored_bytes(head->payload_bytes);
    if (after > segment_bytes) break;
    found.rows.push_back({head->kind, head->flags, head->tenant, head->payload_bytes, head->sequence, head->key,
                          head->offset, static_cast<std::uint32_t>(found.end / entry_align_bytes), 0});
    found.end = after;
  }
  return found;
}

/// Turns the rest of the sector in which the log ends into padding: whatever a torn write left there would end the next
/// scan too, in front of everything that is appended from now on.
result<std::uint64_t> pad_tail(file& in, std::uint64_t number, std::uint64_t end) {
  const std::uint64_t whole = round_up(end, sector_bytes);
  if (whole == end) return whole;
  const sector_buffer sector(sector_bytes);
  auto done = in.read(whole - sector_bytes, sector.span());
  if (!done) return fail(done.error());
  entry_head padding;
  padding.segment = number;
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
  const sector_buffer last(sector_bytes);
  auto read = in.read(segment_bytes - sector_bytes, last.span());
  if (!read) return fail(read.error());
  const auto trailer = read_trailer(last.span());
  const auto none = [] { return fail(error_kind::not_found, "disk tier", "the segment has no footer"); };
  if (!trailer || trailer->number != number || trailer->rows > segment_bytes / sizeof(footer_row)) return none();
  if (trailer->rows_at != segment_bytes - footer_bytes(trailer->rows)) return none();
  const sector_buffer rows(static_cast<std::size_t>(segment_bytes - sector_bytes - trailer->rows_at));
  if (rows.size_bytes() > 0) read = in.read(trailer->rows_at, rows.span());
  if (!read) return fail(read.error());
  auto parsed = read_rows(*trailer, rows.span());
  if (!parsed) return none();
  return scanned{std::move(*parsed), trailer->data_end};
}

/// Writer's thread, or before it runs.
result<std::vector<footer_row>> shelf::rows_of(segment& of) {
  for (const auto& each : streams_) {
    if (each != nullptr && &each->of() == &of) return each->rows();
  }
  auto opened = file_of(of);
  if (!opened) return fail(opened.error());
  if (of.has_footer) {
    auto footer = read_footer(**opened, of.number, settings_.segment_bytes);
    if (footer) return std::move(footer->rows);
    log::warn("disk", "{}: the footer of {} cannot be read: {}", volume_->name(), of.file_name(),
              footer.error().context);
  }
  return scan_segment(**opened, of.number, settings_.segment_bytes).rows;
}

result<std::unique_ptr<shelf>> shelf::open(std::unique_ptr<volume> in, shelf_settings settings,
                                           sequence_source& sequence, purged_keys purged) {
  auto mark = claim_directory(*in, settings);
  if (!mark) return fail(mark.error());
  settings.segment_bytes = mark->segment_bytes;
  if (settings.size_bytes / settings.segment_bytes < segments_least) {
    return fail(error_kind::invalid_input, "disk tier",
                fmt::format("{}: the size must be at least {} segments of {} bytes", in->name(), segments_least,
                            settings.segment_bytes));
  }
  std::unique_ptr<shelf> made(new shelf(std::move(in), settings, sequence, std::move(purged)));
  made->identity_ = mark->identity;
  made->segments_limit_ = settings.size_bytes / settings.segment_bytes;
  auto loaded = shelf_recovery(*made).run();
  if (!loaded) return fail(loaded.error());
  return made;
}

result<void> shelf_recovery::run() {
  auto names = shelf_.volume_->list();
  if (!names) return fail(names.error());
  std::vector<std::uint64_t> numbers;
  for (const auto& each : *names) {
    if (const auto number = segment_number(each)) numbers.push_back(*number);
  }
  std::sort(numbers.rbegin(), numbers.rend());
  if (!numbers.empty()) shelf_.last_number_ = numbers.front();
  for (const std::uint64_t number : numbers) {
    auto loaded = load(number);
    if (!loaded) return loaded;
  }
  insert_records();
  if (shelf_.purged_.before == UINT64_MAX) shelf_.purged_.before = 0; // it covers what was there, not what comes
  if (highest_sequence_ > 0) {
    std::uint64_t now = shelf_.sequence_.load();
    while (now < highest_sequence_ + sequence_gap &&
           !shelf_.sequence_.compare_exchange_weak(now, highest_sequence_ + sequence_gap)) {}
  }
  return {};
}

result<void> shelf_recovery::load(std::uint64_t number) {
  segment named;
  named.number = number;
  const std::string name = named.file_name();
  auto opened = shelf_.volume_->open(name);
  if (!opened) {
    log::warn("disk", "{}", opened.error().message());
    return {};
  }
  const std::shared_ptr<file> from = std::move(*opened);
  const sector_buffer sector(sector_bytes);
  auto read = from->read(0, sector.span());
  auto head = read ? read_segment_head(sector.span()) : result<segment_head>(fail(read.error()));
  if (!head && head.error().kind == error_kind::unsupported) {
    return fail(head.error().kind, "disk tier", shelf_.volume_->name() + "/" + name + ": " + head.error().context);
  }
  const bool ours = head && head->store == shelf_.identity_ && head->number == number &&
                    head->segment_bytes == shelf_.settings_.segment_bytes;
  if (!ours) {
    log::warn("disk", "{}/{} is forgotten: {}", shelf_.volume_->name(), name,
              head ? "it belongs to another directory" : head.error().context);
    shelf_.volume_->remove(name);
    return {};
  }
  const auto in = shelf_.add_segment(number, static_cast<stream_kind>(head->stream));
  auto found = read_footer(*from, number, head->segment_bytes);
  if (found) {
    in->has_footer = true;
    take(*in, found->rows);
    return {};
  }
  in->was_open = true;
  scanned tail = scan_segment(*from, number, head->segment_bytes);
  take(*in, tail.rows);
  reopen(*in, from, std::move(tail));
  return {};
}

/// Goes on at the head of the stream where the last run stopped.
void shelf_recovery::reopen(segment& in, std::shared_ptr<file> from, scanned found) {
  auto& stream = shelf_.streams_[static_cast<std::size_t>(in.stream)];
  if (stream != nullptr) return; // a later one is open already: this one was left by a failed write
  const auto end = pad_tail(*from, in.number, found.end);
  if (!end) {
    log::warn("disk", "{}: {} is not written any further: {}", shelf_.volume_->name(), in.file_name(),
              end.error().context);
    return;
  }
  auto made =
      std::make_unique<open_segment>(shelf_.segment_at(in.slot), std::move(from), shelf_.settings_.segment_bytes,
                                     shelf_.settings_.batch_bytes, *end, std::move(found.rows));
  if (made->fits(1)) stream = std::move(made);
}

void shelf_recovery::take(segment& in, const std::vector<footer_row>& rows) {
  std::uint64_t lowest = UINT64_MAX;
  for (const footer_row& row : rows) {
    highest_sequence_ = std::max(highest_sequence_, row.sequence);
    lowest = std::min(lowest, row.sequence);
    if (shelf_.purged(row)) continue;
    const place at = place_of(row, in.slot);
    if (row.kind == entry_kind::record) {
      records_.push_back({row.key.prefix(), row.sequence, at, row.key});
      continue;
    }
    const bool sane = row.offset % grain_bytes == 0 &&
                      row.offset + row.payload_bytes <= segment_index::object_bytes_max && row.payload_bytes > 0;
    if (sane && shelf_.index_.insert(version_key{row.key}, at)) shelf_.add_live(in.slot, at, true);
  }
  in.lowest_sequence.store(lowest);
}

void shelf_recovery::insert_records() {
  std::sort(records_.begin(), records_.end(),
            [](const auto& a, const auto& b) { return std::tie(a.key, a.sequence) < std::tie(b.key, b.sequence); });
  for (std::size_t i = 0; i < records_.size(); ++i) {
    if (i + 1 < records_.size() && records_[i + 1].key == records_[i].key) continue;
    shelf_.index_.put_record(object_key{records_[i].whole}, records_[i].at);
    shelf_.add_live(records_[i].at.slot, records_[i].at, true);
  }
  records_ = {};
}

} // namespace forebay::storage::disk
