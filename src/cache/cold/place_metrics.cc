#include "cache/cold/place_metrics.h"

#include <array>

namespace forebay::cache::cold {
namespace {

using metrics::counter;
using metrics::gauge;
using metrics::label;

counter& total(std::string_view name, std::string_view help, std::string_view space) {
  const std::array<label, 1> of{{{"namespace", space}}};
  return metrics::global().get_counter(name, help, of);
}

counter& total(std::string_view name, std::string_view help, std::string_view space, std::string_view by,
               std::string_view value) {
  const std::array<label, 2> of{{{"namespace", space}, {by, value}}};
  return metrics::global().get_counter(name, help, of);
}

counter& reads(std::string_view space, std::string_view how) {
  return total("forebay_cold_reads_total",
               "Reads of the cold tier by how they ended: hit, gone, damaged, failed, late, busy", space, "result",
               how);
}

counter& dropped(std::string_view space, std::string_view why) {
  return total("forebay_cold_dropped_bytes_total",
               "Bytes that left the disk and did not get into the cold tier: queue (full), away (the store does not "
               "answer), refused (it takes no more)",
               space, "reason", why);
}

counter& errors(std::string_view space, std::string_view what) {
  return total("forebay_cold_errors_total", "Exchanges with the store of a cold tier that failed", space, "operation",
               what);
}

counter& deleted(std::string_view space, std::string_view why) {
  return total("forebay_cold_deleted_packs_total", "Packs deleted from the cold tier, for their age or for room", space,
               "reason", why);
}

gauge& level(std::string_view name, std::string_view help, std::string_view space) {
  const std::array<label, 1> of{{{"namespace", space}}};
  return metrics::global().get_gauge(name, help, of);
}

} // namespace

place_metrics::place_metrics(std::string_view of)
    : read_bytes(total("forebay_cold_read_bytes_total", "Bytes of objects read from the cold tier", of)),
      written_bytes(total("forebay_cold_written_bytes_total", "Bytes of packs written to the cold tier", of)),
      misses(total("forebay_cold_misses_total", "Fills begun for bytes that the cold tier did not have either", of)),
      hits(reads(of, "hit")),
      gone(reads(of, "gone")),
      damaged(reads(of, "damaged")),
      failed(reads(of, "failed")),
      late(reads(of, "late")),
      busy(reads(of, "busy")),
      dropped_queue(dropped(of, "queue")),
      dropped_away(dropped(of, "away")),
      dropped_refused(dropped(of, "refused")),
      read_errors(errors(of, "read")),
      write_errors(errors(of, "write")),
      delete_errors(errors(of, "delete")),
      list_errors(errors(of, "list")),
      expired(deleted(of, "lifetime")),
      displaced(deleted(of, "size")),
      held_bytes(level("forebay_cold_held_bytes", "Bytes of packs in the cold tier", of)),
      packs(level("forebay_cold_packs", "Packs in the cold tier", of)),
      queued_bytes(level("forebay_cold_queued_bytes", "Bytes that wait to be written to the cold tier", of)),
      up(level("forebay_cold_up", "1 while the cold tier is used: its store answers and the prefix is this node's",
               of)) {}

} // namespace forebay::cache::cold
