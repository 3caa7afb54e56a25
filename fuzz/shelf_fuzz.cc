// A directory of the disk tier with any bytes in it: opening, checking, reading, writing, evicting survive it, and no
// byte is given back for another place than its own. The input is a script that lays segments of the smallest size out;
// checksums are made right where it says so, because no fuzzer finds them.
#include <array>
#include <cstdint>
#include <cstdlib>

#include "base/hash.h"
#include "base/log.h"
#include "storage/disk/check.h"
#include "storage/disk/foreign_segment.h"
#include "storage/disk/recovery.h"

namespace {

using namespace forebay;
using namespace forebay::storage::disk;
using storage::version_key;
namespace testing_bytes = storage::testing_bytes;

constexpr std::uint64_t mib = 1u << 20;
constexpr std::uint64_t keys = 4;
constexpr std::size_t segments_max = 8;
constexpr std::uint64_t looked_at_bytes = 256 * mib;

/// Numbers off the front of the input; zeros behind its end.
class script {
public:
  script(const std::uint8_t* data, std::size_t size) : rest_(std::as_bytes(std::span(data, size))) {}
  bool ended() const { return rest_.empty(); }
  std::span<const std::byte> take(std::size_t count) {
    const auto front = rest_.first(std::min(count, rest_.size()));
    rest_ = rest_.subspan(front.size());
    return front;
  }
  template <class T>
  T number() {
    T value{};
    const auto front = take(sizeof value);
    if (!front.empty()) std::memcpy(&value, front.data(), front.size());
    return value;
  }

private:
  std::span<const std::byte> rest_;
};

key128 key_of(std::uint8_t number) { return testing_bytes::version_of(number % keys); }

entry_head take_entry(script& from, std::uint64_t segment) {
  entry_head head;
  head.kind = static_cast<entry_kind>(from.number<std::uint8_t>());
  head.flags = from.number<std::uint8_t>();
  head.tenant = from.number<std::uint16_t>();
  head.payload_bytes = from.number<std::uint32_t>();
  head.sequence = from.number<std::uint64_t>();
  head.key = key_of(from.number<std::uint8_t>());
  head.offset = from.number<std::uint64_t>();
  head.segment = segment;
  return head;
}

footer_row row_of(const entry_head& head, std::uint64_t position) {
  return {head.kind,
          head.flags,
          head.tenant,
          head.payload_bytes,
          head.sequence,
          head.key,
          head.offset,
          static_cast<std::uint32_t>(position / entry_align_bytes),
          0};
}

/// One segment, up to the step that ends it.
void lay_out(script& from, fake_disk& disk, const key128& store) {
  const std::uint64_t number = from.number<std::uint8_t>() % 16;
  foreign_segment made(store, number, from.number<std::uint8_t>());
  std::vector<footer_row> rows;
  std::uint64_t at = sector_bytes, noted_to = sector_bytes, notes_at = segment_bytes_min;
  for (bool more = true; more && !from.ended();) {
    switch (from.number<std::uint8_t>() % 9) {
    case 0: { // an entry
      const entry_head head = take_entry(from, number);
      rows.push_back(row_of(head, at));
      at = made.put_entry(head, head.key.prefix(), at);
      break;
    }
    case 1: { // a row alone
      const entry_head head = take_entry(from, number);
      rows.push_back(row_of(head, std::uint64_t{from.number<std::uint32_t>()} * entry_align_bytes));
      break;
    }
    case 2: made.put_footer(rows); break;
    case 3: { // a trailer that says anything of the rows that are there
      segment_trailer trailer;
      trailer.number = number;
      trailer.rows = from.number<std::uint64_t>();
      trailer.rows_at = from.number<std::uint64_t>();
      trailer.rows_checksum = xxh3_64(std::as_bytes(std::span(rows)));
      made.put_sealed(trailer, segment_bytes_min - sector_bytes);
      break;
    }
    case 4: at = from.number<std::uint32_t>() % segment_bytes_min; break;
    case 5: made.put(from.take(from.number<std::uint8_t>()), at); break;
    case 6: { // a head of other numbers
      segment_head head;
      head.store = store;
      head.endian = from.number<std::uint32_t>();
      head.version = from.number<std::uint32_t>();
      head.number = from.number<std::uint64_t>();
      head.segment_bytes = from.number<std::uint64_t>();
      head.stream = from.number<std::uint32_t>();
      made.put_sealed(head, 0);
      break;
    }
    case 7: more = false; break;
    default: { // notes of these rows, which go on where the ones before ended, or anywhere
      notes_trailer trailer;
      trailer.number = number;
      trailer.turn = from.number<std::uint8_t>() % 4;
      const bool anywhere = from.number<std::uint8_t>() % 4 == 0;
      trailer.data_begin = anywhere ? from.number<std::uint64_t>() : noted_to;
      trailer.data_end = anywhere ? from.number<std::uint64_t>() : round_up(at, sector_bytes);
      const auto piece = render_notes(trailer, rows);
      if (piece.size() > notes_at) break;
      notes_at -= piece.size();
      noted_to = trailer.data_end;
      made.put(piece, notes_at);
    }
    }
  }
  char name[32];
  std::snprintf(name, sizeof name, from.number<std::uint8_t>() % 8 == 7 ? "%llu.seg" : "%012llu.seg",
                static_cast<unsigned long long>(number));
  std::move(made).store_in(disk, name);
}

/// What is found begins with the bytes that belong there.
void read_all(shelf& tier) {
  for (std::uint64_t key = 0; key < keys; ++key) {
    const version_key version{testing_bytes::version_of(key)};
    std::uint64_t at = 0;
    for (unsigned reads = 0; reads < 16; ++reads) {
      const auto run = tier.find(version, {at, at + looked_at_bytes});
      if (!run) break;
      if (run->empty() || run->begin < at) std::abort();
      at = run->end;
      auto got = tier.read(version, {run->begin, run->begin + grain_bytes});
      if (!got) continue;
      std::array<std::byte, 64> bytes;
      const auto seen = std::span(bytes).first(std::min<std::uint64_t>(bytes.size(), got->range.end - run->begin));
      got->copy(run->begin, seen);
      if (!testing_bytes::matches(seen, key, run->begin)) std::abort();
    }
    static_cast<void>(tier.read_record(storage::object_key{testing_bytes::version_of(key)}));
  }
}

/// More than fits beside seven segments, so that what was found is evicted or carried over.
void write_more(shelf& tier) {
  static const auto texts = [] {
    std::vector<net::slice> made;
    for (std::uint64_t i = 0; i < 6; ++i) {
      std::string text(200 << 10, '\0');
      testing_bytes::fill(std::as_writable_bytes(std::span(text)), i % keys, i * mib);
      made.push_back(net::make_slice(std::move(text)));
    }
    return made;
  }();
  for (std::uint64_t i = 0; i < texts.size(); ++i) {
    tier.offer(version_key{testing_bytes::version_of(i % keys)}, i * mib, {texts[i]},
               static_cast<storage::tenant_id>(i % 3));
    tier.offer_record(storage::object_key{testing_bytes::version_of(i % keys)}, {}, "record", i % 2 == 0);
    tier.finish();
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool quiet = (log::set_level(log::level::error), true);
  static_cast<void>(quiet);
  fake_disk disk;
  directory_mark mark;
  mark.identity = testing_bytes::version_of(77);
  mark.segment_bytes = segment_bytes_min;
  fake_volume(disk).write_small(directory_mark::file_name, mark.render());
  script steps(data, size);
  for (std::size_t i = 0; i < segments_max && !steps.ended(); ++i) lay_out(steps, disk, mark.identity);

  shelf_settings settings;
  settings.size_bytes = 9 * mib;
  settings.segment_bytes = segment_bytes_min;
  settings.batch_bytes = 64 << 10;
  settings.errors_limit = 1u << 30; // it goes on
  settings.recovery_threads = 0;
  fake_volume looked_at(disk);
  static_cast<void>(check_directory(looked_at, true));
  for (unsigned run = 0; run < 2; ++run) {
    sequence_source sequence{1};
    storage::disk::kept_versions kept;
    kept.set_question([](const storage::object_key&, std::uint64_t version_prefix) { return version_prefix % 2 == 0; });
    auto opened = shelf::open(std::make_unique<fake_volume>(disk), settings, sequence, {}, kept);
    if (!opened) return 0;
    read_all(**opened);
    if (run > 0) continue;
    (*opened)->set_quota(1, mib);
    write_more(**opened);
    read_all(**opened);
  }
  if (disk.used_bytes > 17 * mib) std::abort(); // the limit, and what was laid out above it
  return 0;
}
