// What remains of a request: its line in the access log and its share of the metrics, alike for all fronts.
#pragma once

#include "front/access_log.h"
#include "front/request_metrics.h"
#include "http/server.h"

namespace forebay::front {

/// For `http::handler::finished`. `log` may be null.
void record_end(const http::exchange_record& record, request_metrics& metrics, access_log* log);

} // namespace forebay::front
