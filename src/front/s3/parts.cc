// Parts of objects that were uploaded in several: where one lies its store knows; its bytes are read like any range.
#include "front/s3/parts.h"

#include <fmt/format.h>

#include "base/text.h"
#include "front/answer.h"
#include "http/range.h"
#include "origin/source.h"

namespace forebay::front::s3 {
namespace {

constexpr std::uint64_t parts_max = 10'000; // of one upload, as S3 has it

s3_failure refused_by_store(unsigned status) {
  if (status == 404) return {404, "NoSuchKey", "The specified key does not exist."};
  if (status == 403) return {403, "AccessDenied", "The store denies it."};
  if (status == 416) return {416, "InvalidPartNumber", "The requested partnumber is not satisfiable"};
  if (status >= 400 && status < 500)
    return {501, "NotImplemented", fmt::format("The store tells of no parts: it answered {}.", status)};
  return {503, "ServiceUnavailable", fmt::format("The store answered {}.", status), std::chrono::seconds(1),
          error_kind::broken};
}

tl::expected<std::uint64_t, s3_failure> read_part_number(const s3_call& call) {
  const auto number = parse_u64(*call.what.find("partNumber"));
  if (!number || *number == 0 || *number > parts_max)
    return refuse(400, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive");
  if (call.asked.head.fields.has("range"))
    return refuse(400, "InvalidRequest", "Cannot specify both Range header and partNumber query parameter");
  return *number;
}

net::task<tl::expected<part_place, s3_failure>> find_part(s3_call& call, std::uint64_t number) {
  const auto store = call.where.space->origins.front();
  if (store->identify("", "").kind != "s3")
    co_return refuse(501, "NotImplemented", "The store behind this bucket knows no parts of objects.");
  origin::write_request asked; // sent once and passed on: nothing of it is kept
  asked.method = "HEAD";
  asked.key = call.where.key;
  asked.query = fmt::format("partNumber={}", number);
  if (!call.where.query.empty()) asked.query += "&" + call.where.query;
  asked.until = net::deadline::after(call.settings.common->listing_timeout);
  result<origin::write_answer> told = co_await store->write(std::move(asked));
  if (!told) co_return refuse(failure_of(told.error(), subject::object));
  const http::response_head& head = told->head;
  if (head.status != 200 && head.status != 206) co_return refuse(refused_by_store(head.status));
  part_place place;
  place.etag = head.fields.get("etag").value_or("");
  place.count = head.fields.get("x-amz-mp-parts-count").value_or("");
  if (const auto range = http::parse_content_range(head.fields.get("content-range").value_or(""));
      range && range->range) {
    place.range = *range->range;
  } else if (const auto length = parse_u64(head.fields.get("content-length").value_or(""));
             number == 1 && place.count.empty() && length) {
    place.range = {0, *length}; // an object that came in one piece
  } else {
    co_return refuse(501, "NotImplemented", "The store does not tell where the parts of this object lie.");
  }
  co_return place;
}

} // namespace

net::task<tl::expected<part_place, s3_failure>> aim_at_part(s3_call& call) {
  const auto number = read_part_number(call);
  if (!number) co_return refuse(number.error());
  auto place = co_await find_part(call, *number);
  if (!place || place->range.empty()) co_return place;
  auto& fields = call.asked.head.fields;
  fields.set("Range", http::format_range(place->range));
  place->pinned = !fields.has("if-match") && !place->etag.empty();
  if (place->pinned) fields.set("If-Match", place->etag);
  co_return place;
}

void insist_on_origin(s3_call& call) { call.asked.head.fields.set("Cache-Control", "no-cache"); }

void shape_part(const s3_call& call, const part_place& part, http::response& answer) {
  if (answer.head.status != 200 && answer.head.status != 206) return;
  unshare(answer);
  if (!part.count.empty()) answer.head.fields.set("x-amz-mp-parts-count", part.count);
  if (!call.head_only() || part.range.empty()) return;
  answer.head.status = 206;
  answer.head.fields.set("Content-Range", http::format_content_range(part.range, answer.length_bytes));
  answer.length_bytes = part.range.length_bytes();
}

} // namespace forebay::front::s3
