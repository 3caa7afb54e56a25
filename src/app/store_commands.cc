#include "app/store_commands.h"

#include <fmt/format.h>

#include "app/exit_codes.h"
#include "app/progress.h"
#include "base/hash.h"
#include "storage/disk/check.h"

namespace forebay::app {
namespace {

using storage::disk::check_report;

std::string counted(std::uint64_t number, std::string_view what) {
  return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
}

std::string describe_index(const check_report& seen) {
  if (seen.index_damaged) return "the index that was kept is damaged: a start reads the segments instead";
  if (seen.index_entries == 0) return "no index was kept: a start reads the segments";
  return fmt::format("an index of {} entries was kept", seen.index_entries);
}

std::string describe(const check_report& seen) {
  return fmt::format("{} ({} open), {} on disk\n{} and {}, {}\n{} of the log of purges{}\n{}\n",
                     counted(seen.segments, "segment"), seen.open_segments, human_size(seen.disk_bytes),
                     counted(seen.extents, "extent"), counted(seen.records, "record"), human_size(seen.payload_bytes),
                     counted(seen.purges, "line"), seen.purges_damaged ? ", DAMAGED" : "", describe_index(seen));
}

command_outcome look(const std::string& directory, bool verify) {
  command_outcome outcome;
  auto in = storage::disk::open_directory(directory, true);
  auto seen = in ? storage::disk::check_directory(**in, verify) : result<check_report>(fail(in.error()));
  if (!seen) {
    outcome.exit_code = seen.error().kind == error_kind::exhausted ? exit_failed : exit_usage;
    outcome.complaint = fmt::format("forebay: {}\n", seen.error().context);
    return outcome;
  }
  outcome.output = describe(*seen);
  if (!verify) return outcome;
  outcome.output += fmt::format("{} verified, {} damaged, {}\n", human_size(seen->verified_bytes), seen->damaged,
                                counted(seen->unreadable_segments, "unreadable segment"));
  for (const auto& each : seen->first_damaged) {
    outcome.output += fmt::format("damaged: {} at {}: {} {} from byte {}\n", each.file, each.position,
                                  each.record ? "record of object" : "version", hex(each.key.bytes), each.offset);
  }
  if (!seen->whole()) {
    outcome.exit_code = exit_failed;
    outcome.output += "A node drops what is damaged when it meets it, and fetches it again.\n";
  }
  return outcome;
}

} // namespace

command_outcome store_check(const std::string& directory) { return look(directory, true); }
command_outcome store_stat(const std::string& directory) { return look(directory, false); }

} // namespace forebay::app
