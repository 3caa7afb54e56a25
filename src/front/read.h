// GET and HEAD of an object that the cache has opened: conditions, ranges, and the shape of the answer.
#pragma once

#include <optional>
#include <vector>

#include "base/clock.h"
#include "cache/cache.h"
#include "http/etag.h"
#include "http/message.h"
#include "http/range.h"
#include "http/server.h"

namespace forebay::front {

/// The ranges of a request where they count: GET alone, at most `most` of them, well spelt (RFC 9110 §14.2).
std::optional<std::vector<http::range_spec>> asked_ranges(const http::request& asked, std::size_t most);

/// Whether the reader wants the origin asked whatever is held (RFC 9111 §5.2.1.4).
bool insists_on_origin(const http::header_table& fields);

/// What an open object's answer is, before any byte of its body is read.
struct read_plan {
  enum class kind { whole, one_range, many_ranges, unsatisfiable, not_modified, failed };
  kind what = kind::whole;
  std::vector<byte_range> ranges; ///< one or many
};
/// Preconditions first (RFC 9110 §13.2.2), then If-Range and ranges. Pure.
read_plan plan_read(const http::request& asked, const cache::stored_head& head,
                    const std::optional<std::vector<http::range_spec>>& ranges, wall_time now);

/// The answer of a plan other than `unsatisfiable` and `failed`, without this node's own fields.
http::response make_read_answer(const http::request& asked, cache::opened object, const read_plan& plan);

/// What the reader's preconditions say of an answer that passes through: its origin was not told of them.
http::precondition check_pass(const http::request& asked, const http::response_head& pass, wall_time now);
/// An answer that passes through: its conditions are checked where the origin had not to. 304 without its body.
http::response make_pass_answer(const http::request& asked, http::response pass, wall_time now);

} // namespace forebay::front
