// The text files of a directory of the disk tier: any log of purges is read up to its first damage, what is read is
// written and read back the same, and a store with such logs starts, and starts again with the same rules. A line that
// ends with " *" gets its right checksum first, because no fuzzer finds it.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "base/log.h"
#include "storage/disk/fake_volume.h"
#include "storage/disk/recovery.h"
#include "storage/disk/segment_store.h"

namespace {

using namespace forebay;
using namespace forebay::storage::disk;

std::string with_checksums(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with(" *")) {
      line.remove_suffix(2);
      char sum[24];
      std::snprintf(sum, sizeof sum, " %016llx",
                    static_cast<unsigned long long>(xxh3_64(std::as_bytes(std::span(line)))));
      out.append(line).append(sum);
    } else {
      out += line;
    }
    if (end < text.size()) out += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

bool same(const control_entry& a, const control_entry& b) {
  return a.kind == b.kind && a.sequence == b.sequence && a.key == b.key && a.text == b.text;
}

void check_round_trip(std::string_view text) {
  fake_disk disk;
  fake_volume volume(disk);
  volume.write_small(control_log::file_name, text);
  control_log log(volume);
  const auto found = log.load();
  if (!found) std::abort();
  if (!log.rewrite(found->entries)) std::abort();
  const auto back = log.load();
  if (!back || back->damaged || back->entries.size() != found->entries.size()) std::abort();
  for (std::size_t i = 0; i < back->entries.size(); ++i)
    if (!same(back->entries[i], found->entries[i])) std::abort();
}

void check_store(std::string_view first, std::string_view second) {
  static const auto memory = std::move(*storage::memory_tier::make({.capacity_bytes = 4u << 20}));
  fake_disk disks[2];
  const std::string_view logs[2] = {first, second};
  std::vector<storage::purge_rule> rules;
  segment_store_settings settings;
  settings.readers = 1;
  for (unsigned run = 0; run < 2; ++run) {
    std::vector<segment_store::directory> both;
    for (unsigned i = 0; i < 2; ++i) {
      directory_mark mark;
      mark.identity.bytes[0] = static_cast<std::uint8_t>(i);
      mark.segment_bytes = segment_bytes_min;
      auto in = std::make_unique<fake_volume>(disks[i]);
      in->write_small(directory_mark::file_name, mark.render());
      if (run == 0) in->write_small(control_log::file_name, logs[i]);
      both.push_back({std::move(in), 16u << 20});
    }
    auto store = segment_store::open(std::move(both), settings, *memory);
    if (!store || (*store)->shelf_count() != 2) std::abort();
    for (const auto& rule : (*store)->rules())
      if (rule.sequence >= (*store)->stamp()) std::abort();
    if (run == 0) continue;
    if (!(*store)->rules().empty()) std::abort(); // nothing is stored that they could cover
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool quiet = (log::set_level(log::level::error), true);
  static_cast<void>(quiet);
  const std::string_view raw(reinterpret_cast<const char*>(data), size);
  static_cast<void>(directory_mark::parse(raw, "fuzz"));
  const std::string text = with_checksums(raw);
  check_round_trip(text);
  const std::size_t half = std::min(text.find("\n\n"), text.size());
  check_store(std::string_view(text).substr(0, half), std::string_view(text).substr(half));
  return 0;
}
