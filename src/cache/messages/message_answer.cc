#include "cache/messages/message_answer.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/text.h"
#include "http/not_modified.h"
#include "http/syntax.h"

namespace forebay::cache::messages {
namespace {

enum class shape { whole, part, several_parts, not_modified, unsatisfiable };

http::response begin(const stored_message& held, shape what) {
  http::response answer;
  const auto& head = *held.head;
  answer.head.status = head.status;
  answer.head.version = head.version;
  head.fields.each([&](std::string_view name, std::string_view value) {
    if (what == shape::not_modified && !http::is_in_not_modified(name)) return;
    if (what == shape::several_parts && iequals(name, "content-type")) return;
    answer.head.fields.add(name, value);
  });
  if (what == shape::whole) {
    head.whole_fields.each([&](std::string_view name, std::string_view value) { answer.head.fields.add(name, value); });
  }
  answer.head.fields.set("Date", head.date);
  return answer;
}

/// The reader's If-None-Match and If-Modified-Since. Without Last-Modified the answer's Date stands for it
/// (RFC 9111 §4.3.2).
bool is_not_modified(const stored_message& held, const asked_shape& asked, wall_time wall) {
  if (held.head->status != 200) return false;
  auto have = held.head->validators;
  if (!have.last_modified) have.last_modified = held.head->date_value;
  return http::evaluate_preconditions(*asked.fields, have, true, wall) == http::precondition::not_modified;
}

/// RFC 9110 §10.1.4.
bool takes_trailers(const http::header_table& request) {
  bool found = false;
  http::each_member(request.joined("te").value_or(""),
                    [&](std::string_view member) { found = found || iequals(member, "trailers"); });
  return found;
}

std::vector<segment> as_segments(std::vector<piece> pieces) {
  std::vector<segment> made;
  for (piece& each : pieces) made.push_back({{}, std::move(each)});
  return made;
}

std::optional<http::response> answer_ranges(const stored_message& held, const asked_shape& asked, std::uint64_t length,
                                            reader_context with) {
  const auto ranges = http::select_ranges(*asked.ranges, length);
  if (ranges.empty()) {
    auto answer = begin(held, shape::not_modified);
    answer.head.status = 416;
    answer.head.fields.set("Content-Range", http::format_unsatisfied_range(length));
    answer.length_bytes = 0;
    return answer;
  }
  if (ranges.size() == 1) {
    auto pieces = pieces_of(held.parts, ranges.front());
    if (!pieces) return std::nullopt;
    auto answer = begin(held, shape::part);
    answer.head.status = 206;
    answer.head.fields.set("Content-Range", http::format_content_range(ranges.front(), length));
    answer.length_bytes = ranges.front().length_bytes();
    answer.body = make_joined_body(std::move(with), as_segments(std::move(*pieces)));
    return answer;
  }
  auto layout =
      http::make_multipart(ranges, length, held.head->fields.get("content-type").value_or(""), asked.boundary);
  std::vector<segment> segments;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    auto pieces = pieces_of(held.parts, ranges[i]);
    if (!pieces) return std::nullopt;
    segments.push_back({layout.part_heads[i], {}});
    for (segment& each : as_segments(std::move(*pieces))) segments.push_back(std::move(each));
  }
  segments.push_back({layout.tail, {}});
  auto answer = begin(held, shape::several_parts);
  answer.head.status = 206;
  answer.head.fields.set("Content-Type", layout.content_type);
  answer.length_bytes = layout.length_bytes;
  answer.body = make_joined_body(std::move(with), std::move(segments));
  return answer;
}

std::optional<http::response> answer_whole(const stored_message& held, const asked_shape& asked, reader_context with) {
  const auto length = held.length_bytes();
  auto answer = begin(held, shape::whole);
  answer.length_bytes = length;
  if (asked.head_only || held.parts.empty()) return answer;
  if (!length) { // it is coming: its one part is followed to whatever end it has
    if (!held.whole) return std::nullopt;
    const part& only = held.parts.front();
    answer.body =
        make_joined_body(std::move(with), {{{}, piece{only.bytes, {0, version::length_unknown}}}}, only.trailers);
    return answer;
  }
  auto pieces = pieces_of(held.parts, {0, *length});
  if (!pieces) return std::nullopt;
  const auto& trailers = held.parts.front().trailers;
  const bool wanted = trailers != nullptr && trailers->get() != nullptr && takes_trailers(*asked.fields);
  if (wanted) answer.length_bytes.reset(); // in HTTP/1.1 they come behind chunks alone
  answer.body = make_joined_body(std::move(with), as_segments(std::move(*pieces)), wanted ? trailers : nullptr);
  return answer;
}

} // namespace

std::optional<http::response> answer_from(const stored_message& held, const asked_shape& asked, reader_context with,
                                          wall_time wall, steady_time now) {
  std::optional<http::response> answer;
  const auto length = held.length_bytes();
  const bool ranged = asked.ranges && held.head->status == 200 && length && *length > 0 &&
                      http::if_range_holds(*asked.fields, held.head->validators, held.head->date_value, wall);
  if (is_not_modified(held, asked, wall)) {
    answer = begin(held, shape::not_modified);
    answer->head.status = 304;
  } else if (ranged) {
    answer = answer_ranges(held, asked, *length, std::move(with));
  } else {
    answer = answer_whole(held, asked, std::move(with));
  }
  if (answer) answer->head.fields.set("Age", fmt::format("{}", age_of(*held.head, now).count()));
  return answer;
}

http::response answer_as_sent(unsigned status, http::header_table fields, const stored_message& brought, const part* at,
                              bool head_only, reader_context with) {
  http::response answer;
  answer.head.status = status;
  answer.head.version = brought.head->version;
  fields.remove("content-length");
  answer.head.fields = std::move(fields);
  if (at == nullptr) {
    answer.length_bytes = brought.length_bytes();
    return answer;
  }
  const bool unknown = at->range.end == version::length_unknown;
  if (!unknown) answer.length_bytes = at->range.length_bytes();
  const std::uint64_t end = unknown ? version::length_unknown : at->range.length_bytes();
  if (!head_only) answer.body = make_joined_body(std::move(with), {{{}, piece{at->bytes, {0, end}}}}, at->trailers);
  return answer;
}

} // namespace forebay::cache::messages
