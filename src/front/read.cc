#include "front/read.h"

#include "base/limit_counter.h"
#include "front/answer.h"
#include "http/cache_control.h"
#include "http/date.h"
#include "http/range_demand.h"

namespace forebay::front {

std::optional<std::vector<http::range_spec>> asked_ranges(const http::request& asked, std::size_t most) {
  if (asked.head.method != "GET") return std::nullopt;
  const auto value = asked.head.fields.get("range");
  if (!value) return std::nullopt;
  if (http::names_too_many_ranges(*value, most)) {
    metrics::refused_by("ranges").add();
    return std::nullopt;
  }
  return http::parse_range(*value);
}

bool insists_on_origin(const http::header_table& fields) {
  const auto control = fields.joined("cache-control");
  return control && http::parse_cache_control(*control).no_cache;
}

read_plan plan_read(const http::request& asked, const cache::stored_head& head,
                    const std::optional<std::vector<http::range_spec>>& ranges, wall_time now) {
  using kind = read_plan::kind;
  if (head.status != 200) return {}; // conditions and ranges speak of a 200 alone (RFC 9110 §13.2.1, §14.2)
  switch (http::evaluate_preconditions(asked.head.fields, head.validators, true, now)) {
  case http::precondition::not_modified: return {kind::not_modified, {}};
  case http::precondition::failed: return {kind::failed, {}};
  case http::precondition::proceed: break;
  }
  if (!ranges || !head.length_bytes) return {};
  if (!http::if_range_holds(asked.head.fields, head.validators, head.date_value, now)) return {};
  auto selected = http::select_ranges(*ranges, *head.length_bytes);
  if (selected.empty()) return {kind::unsatisfiable, {}};
  const kind what = selected.size() == 1 ? kind::one_range : kind::many_ranges;
  return {what, std::move(selected)};
}

http::response make_read_answer(const http::request& asked, cache::opened object, const read_plan& plan) {
  using kind = read_plan::kind;
  const auto head = object.head;
  const bool has_body = asked.head.method != "HEAD";
  if (plan.what == kind::not_modified) return begin_answer(*head, 304, portion::nothing);

  if (plan.what == kind::one_range) {
    const byte_range range = plan.ranges.front();
    auto answer = begin_answer(*head, 206, portion::one_range);
    answer.head.fields.add("Accept-Ranges", "bytes");
    answer.head.fields.add("Content-Range", http::format_content_range(range, head->length_bytes));
    answer.length_bytes = range.length_bytes();
    answer.body = object.read(range);
    return answer;
  }
  if (plan.what == kind::many_ranges) {
    auto layout = http::make_multipart(plan.ranges, *head->length_bytes, head->fields.get("content-type").value_or(""),
                                       make_boundary(asked.id));
    auto answer = begin_answer(*head, 206, portion::many_ranges);
    answer.head.fields.add("Accept-Ranges", "bytes");
    answer.head.fields.add("Content-Type", layout.content_type);
    answer.length_bytes = layout.length_bytes;
    answer.body = std::make_unique<multipart_body>(std::move(object), plan.ranges, std::move(layout));
    return answer;
  }
  auto answer = begin_answer(*head, head->status, portion::whole);
  if (head->status == 204) return answer;
  if (head->length_bytes) answer.head.fields.add("Accept-Ranges", "bytes");
  answer.length_bytes = head->length_bytes;
  const bool empty = head->length_bytes && *head->length_bytes == 0;
  if (has_body && !empty) answer.body = object.read_all();
  return answer;
}

http::precondition check_pass(const http::request& asked, const http::response_head& pass, wall_time now) {
  if (pass.status != 200 && pass.status != 206) return http::precondition::proceed;
  http::validators have;
  if (const auto tag = pass.fields.get("etag")) have.tag = http::parse_etag(*tag);
  if (const auto date = pass.fields.get("last-modified")) have.last_modified = http::parse_date(*date, now);
  return http::evaluate_preconditions(asked.head.fields, have, true, now);
}

http::response make_pass_answer(const http::request& asked, http::response pass, wall_time now) {
  if (check_pass(asked, pass.head, now) != http::precondition::not_modified) return pass;
  pass.head.status = 304;
  for (const std::string_view of_a_body : {"content-length", "content-range"}) pass.head.fields.remove(of_a_body);
  pass.length_bytes.reset();
  pass.body.reset();
  return pass;
}

} // namespace forebay::front
