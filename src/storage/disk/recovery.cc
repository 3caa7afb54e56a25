#include "storage/disk/recovery.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <condition_variable>
#include <fmt/format.h>
#include <openssl/rand.h>
#include <thread>

#include "base/hash.h"
#include "base/log.h"

namespace forebay::storage::disk {
namespace {

constexpr std::size_t mark_bytes_max = 4096;
/// How far the reading threads may be ahead: files that are open, and rows (48 bytes) that wait.
constexpr std::size_t segments_ahead = 64;
constexpr std::uint64_t rows_ahead = 500'000;
/// Rows that go into the index at once.
constexpr std::size_t rows_at_once = 4096;
/// Each run takes its sequence numbers from a multiple of this on: what a power failure took had higher ones than what
/// is left, and no entry may be younger than it looks.
constexpr std::uint64_t sequences_of_turn = 1u << 20;

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

/// Writer's thread, or before it runs.
result<std::vector<footer_row>> shelf::rows_of(segment& of) {
  for (const auto& each : streams_) {
    if (each != nullptr && &each->of() == &of) return each->rows();
  }
  {
    const std::lock_guard guard(closing_mutex_);
    for (const auto& each : closing_) {
      if (&each->of() == &of) return each->rows();
    }
  }
  auto opened = file_of(of);
  if (!opened) return fail(opened.error());
  if (of.has_footer) {
    auto footer = read_footer(**opened, of.number, settings_.segment_bytes);
    if (footer) return std::move(footer->rows);
    log::warn("disk", "{}: the footer of {} cannot be read: {}", volume_->name(), of.file_name(),
              footer.error().context);
  }
  return read_segment_rows(**opened, of.number, settings_.segment_bytes).found.rows;
}

result<std::unique_ptr<shelf>> shelf::open(std::unique_ptr<volume> in, shelf_settings settings,
                                           sequence_source& sequence, purged_keys purged, kept_versions& kept) {
  auto mark = claim_directory(*in, settings);
  if (!mark) return fail(mark.error());
  settings.segment_bytes = mark->segment_bytes;
  if (settings.size_bytes / settings.segment_bytes < segments_least) {
    return fail(error_kind::invalid_input, "disk tier",
                fmt::format("{}: the size must be at least {} segments of {} bytes", in->name(), segments_least,
                            settings.segment_bytes));
  }
  std::unique_ptr<shelf> made(new shelf(std::move(in), settings, sequence, std::move(purged), kept));
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
  shelf_.index_was_kept_ = load_kept(*names, numbers);
  if (!shelf_.index_was_kept_) {
    auto forgotten = forget_kept(*names);
    if (!forgotten) return forgotten;
    auto loaded = shelf_.settings_.recovery_threads > 0 ? load_ahead(numbers) : load_in_turn(numbers);
    if (!loaded) return loaded;
  }
  insert_records();
  shelf_.highest_written_ = std::max(highest_sequence_, kept_up_to_);
  shelf_.purged_.misplaced = nullptr;
  if (shelf_.purged_.before == UINT64_MAX) shelf_.purged_.before = 0; // it covers what was there, not what comes
  // Numbers of this run begin behind all that was seen, and its turn is its own.
  std::uint64_t now = shelf_.sequence_.load(), next = 0;
  do {
    next = round_up(std::max(now, highest_sequence_) + 1, sequences_of_turn);
  } while (!shelf_.sequence_.compare_exchange_weak(now, next));
  shelf_.turn_ = static_cast<std::uint32_t>(next / sequences_of_turn);
  return {};
}

shelf_recovery::read_segment shelf_recovery::read(std::uint64_t number) {
  read_segment made;
  made.number = number;
  auto opened = shelf_.volume_->open(segment_file_name(number));
  if (!opened) {
    made.head = fail(opened.error());
    return made;
  }
  made.from = std::move(*opened);
  const sector_buffer sector(sector_bytes);
  auto done = made.from->read(0, sector.span());
  made.head = done ? read_segment_head(sector.span()) : result<segment_head>(fail(done.error()));
  const bool ours = made.head && made.head->store == shelf_.identity_ && made.head->number == number &&
                    made.head->segment_bytes == shelf_.settings_.segment_bytes;
  if (!ours) {
    if (made.head) made.head = fail(error_kind::broken, "disk tier", "it belongs to another directory");
    return made;
  }
  made.told = read_segment_rows(*made.from, number, made.head->segment_bytes);
  return made;
}

result<void> shelf_recovery::load(read_segment each) {
  const std::string name = segment_file_name(each.number);
  if (each.from == nullptr) {
    log::warn("disk", "{}", each.head.error().message());
    return {};
  }
  if (!each.head) {
    const error& why = each.head.error();
    if (why.kind == error_kind::unsupported)
      return fail(why.kind, "disk tier", shelf_.volume_->name() + "/" + name + ": " + why.context);
    log::warn("disk", "{}/{} is forgotten: {}", shelf_.volume_->name(), name, why.context);
    shelf_.volume_->remove(name);
    return {};
  }
  const auto in =
      each.in != nullptr ? each.in : shelf_.add_segment(each.number, static_cast<stream_kind>(each.head->stream));
  in->has_footer = each.told.has_footer;
  if (in_slot_.size() <= in->slot) in_slot_.resize(in->slot + 1);
  in_slot_[in->slot] = in;
  const auto& rows = each.told.found.rows;
  in->was_open = !each.told.has_footer ||
                 std::any_of(rows.begin(), rows.end(), [](const auto& row) { return (row.flags & flag_found) != 0; });
  take(*in, rows, each.known);
  if (!each.told.has_footer) reopen(*in, std::move(each.from), std::move(each.told.found));
  return {};
}

result<void> shelf_recovery::load_in_turn(const std::vector<std::uint64_t>& numbers) {
  for (const std::uint64_t number : numbers) {
    auto loaded = load(read(number));
    if (!loaded) return loaded;
  }
  return {};
}

/// Threads read, a little ahead and each the next segment that nobody has taken; this one fills the index, in order.
result<void> shelf_recovery::load_ahead(const std::vector<std::uint64_t>& numbers) {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::optional<read_segment>> done(numbers.size());
  std::size_t next = 0, loaded = 0;
  std::uint64_t rows_waiting = 0;
  bool ends = false;
  const auto may_go_on = [&] {
    return next == numbers.size() || next == loaded || (next < loaded + segments_ahead && rows_waiting < rows_ahead);
  };
  const auto read_on = [&] {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [&] { return ends || may_go_on(); });
      if (ends || next == numbers.size()) return;
      const std::size_t mine = next++;
      lock.unlock();
      read_segment made = read(numbers[mine]);
      lock.lock();
      rows_waiting += made.told.found.rows.size();
      done[mine] = std::move(made);
      changed.notify_all();
    }
  };
  std::vector<std::thread> threads;
  const std::size_t count = std::min<std::size_t>(shelf_.settings_.recovery_threads, numbers.size());
  for (std::size_t i = 0; i < count; ++i) threads.emplace_back(read_on);
  result<void> outcome;
  std::unique_lock lock(mutex);
  for (std::uint64_t rows = 0; loaded < numbers.size() && outcome; ++loaded, changed.notify_all()) {
    changed.wait(lock, [&] { return done[loaded].has_value(); });
    read_segment each = std::move(*done[loaded]);
    done[loaded].reset();
    rows_waiting -= each.told.found.rows.size();
    lock.unlock();
    rows += each.told.found.rows.size();
    reserve(rows / (loaded + 1), numbers.size());
    outcome = load(std::move(each));
    lock.lock();
  }
  ends = true;
  lock.unlock();
  changed.notify_all();
  for (std::thread& each : threads) each.join();
  return outcome;
}

/// Goes on at the head of the stream where the last run stopped; what was full then gets its footer now.
void shelf_recovery::reopen(segment& in, std::shared_ptr<file> from, scanned found) {
  auto& stream = shelf_.streams_[static_cast<std::size_t>(in.stream)];
  const auto end = pad_tail(*from, in.number, found);
  if (!end) {
    log::warn("disk", "{}: {} is not written any further: {}", shelf_.volume_->name(), in.file_name(),
              end.error().context);
    return;
  }
  for (footer_row& row : found.rows) row.flags |= flag_found;
  auto made =
      std::make_unique<open_segment>(shelf_.segment_at(in.slot), std::move(from), shelf_.settings_.segment_bytes,
                                     shelf_.settings_.batch_bytes, *end, std::move(found.rows), found.noted);
  if (stream == nullptr && made->fits(1)) {
    stream = std::move(made);
  } else if (made->fits(0)) {
    made->end();
    shelf_.closing_.push_front(std::move(made)); // segments come with the latest first
  }
}

/// Buckets for as many entries as the segments seem to hold by those that were read.
void shelf_recovery::reserve(std::uint64_t rows_each, std::size_t segments) {
  const std::uint64_t most = shelf_.settings_.index_bytes / segment_index::bytes_per_entry;
  shelf_.index_.reserve(std::min(rows_each * segments, most));
}

/// More entries than the index may hold: the extents of the other segments, the older ones, are let go with them.
bool shelf_recovery::index_is_full() {
  const std::uint64_t entries = shelf_.index_.entries() + records_.size();
  if (entries * segment_index::bytes_per_entry < shelf_.settings_.index_bytes) return false;
  if (!full_)
    log::warn("disk", "{}: the index has no room for more than {} entries; older ones are forgotten",
              shelf_.volume_->name(), entries);
  return full_ = true;
}

/// `known`: so many of the first ones are in the index already.
void shelf_recovery::take(segment& in, std::span<const footer_row> rows, std::size_t known) {
  const bool full = index_is_full();
  std::uint64_t lowest = UINT64_MAX;
  std::vector<segment_index::incoming> extents;
  extents.reserve(std::min(rows.size(), rows_at_once));
  for (const footer_row& row : rows) {
    highest_sequence_ = std::max(highest_sequence_, row.sequence);
    lowest = std::min(lowest, row.sequence);
    if (known > 0) {
      --known;
      continue;
    }
    if (shelf_.purged(row)) continue;
    if (row.kind == entry_kind::record) {
      const auto& misplaced = shelf_.purged_.misplaced;
      if (misplaced && misplaced(row.key, row.sequence)) continue;
      if ((row.flags & flag_kept) != 0) shelf_.kept_.note(row.offset, object_key{row.key});
      records_.push_back({row.key.prefix(), row.sequence, in.slot, row.position, row.payload_bytes});
      continue;
    }
    if (full) continue; // but all records count: the latest one may lie in an older segment
    extents.push_back({row.key, place_of(row, in.slot)});
    if (extents.size() < rows_at_once) continue;
    insert_extents(in, extents);
    extents.clear();
  }
  insert_extents(in, extents);
  in.lowest_sequence.store(lowest);
}

void shelf_recovery::insert_extents(segment& in, std::span<segment_index::incoming> extents) {
  shelf_.index_.insert_all(extents);
  for (const auto& each : extents) {
    if (each.inserted) shelf_.add_live(in, each.at, true);
  }
}

/// With an index that was kept: what was put later replaces what is there, and what was carried over in an eviction
/// (with its old number) goes where nothing is any more.
void shelf_recovery::insert_records() {
  std::sort(records_.begin(), records_.end());
  std::vector<segment_index::incoming> latest;
  latest.reserve(std::min(records_.size(), rows_at_once));
  const auto insert = [&] {
    shelf_.index_.insert_all(latest);
    for (const auto& each : latest) {
      if (each.inserted) shelf_.add_live(*in_slot_[each.at.slot], each.at, true);
    }
    latest.clear();
  };
  for (std::size_t i = 0; i < records_.size(); ++i) {
    const record_row& each = records_[i];
    if (i + 1 < records_.size() && records_[i + 1].key == each.key) continue;
    place at;
    at.kind = entry_kind::record;
    at.slot = each.slot;
    at.position = std::uint64_t{each.position} * entry_align_bytes;
    at.payload_bytes = each.payload_bytes;
    key128 object;
    std::memcpy(object.bytes.data(), &each.key, sizeof each.key);
    if (kept_up_to_ > 0 && each.sequence > kept_up_to_) {
      if (const auto old = shelf_.index_.put_record(object_key{object}, at)) shelf_.add_live(old->slot, *old, false);
      shelf_.add_live(*in_slot_[at.slot], at, true);
      continue;
    }
    latest.push_back({object, at});
    if (latest.size() == rows_at_once) insert();
  }
  insert();
  records_ = {};
}

} // namespace forebay::storage::disk
