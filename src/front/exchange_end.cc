#include "front/exchange_end.h"

#include "front/notes.h"

namespace forebay::front {

void record_end(const http::exchange_record& record, request_metrics& metrics, access_log* log) {
  const http::request& asked = *record.asked;
  const exchange_notes* notes = exchange_notes::of(asked);
  if (notes == nullptr) metrics.began(); // refused before it reached us
  request_metrics::exchange done;
  done.method = asked.head.method;
  done.outcome = notes != nullptr ? notes->outcome() : "error";
  done.status = record.status;
  done.complete = record.complete;
  done.first_byte = record.first_byte;
  done.total = record.total;
  if (notes != nullptr && notes->space != nullptr) {
    done.name_space = notes->space->label;
    const auto& report = notes->report;
    done.served = {report.memory_bytes, report.disk_bytes, report.cold_bytes, report.origin_bytes};
    done.egress_usd_per_gb = notes->egress_usd_per_gb();
  }
  metrics.finished(done);
  if (log == nullptr) return;
  access_entry entry;
  entry.when = system_clock().wall();
  entry.id = asked.id;
  entry.client = notes != nullptr ? notes->client : asked.peer.address.to_string();
  entry.method = asked.head.method;
  entry.target = asked.head.target;
  entry.status = record.status;
  entry.sent_bytes = record.sent_bytes;
  entry.complete = record.complete;
  entry.first_byte = record.first_byte;
  entry.total = record.total;
  if (notes != nullptr && notes->looked_up) {
    entry.cache = notes->outcome();
    entry.origin = notes->report.origin;
  }
  entry.range = asked.head.fields.get("range").value_or("");
  entry.user_agent = asked.head.fields.get("user-agent").value_or("");
  log->add(std::move(entry));
}

} // namespace forebay::front
