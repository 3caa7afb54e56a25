// Heads of answers from stored representations, and bodies of several ranges.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/byte_range.h"
#include "cache/cache.h"
#include "http/message.h"
#include "http/range.h"
#include "http/server.h"

namespace forebay::front {

/// What of a representation an answer carries.
enum class portion { whole, one_range, many_ranges, nothing /* 304 */ };

/// The head of an answer: the representation's own fields and Date. Fields that must not be sent twice, or that
/// would be untrue of a part (checksums of a body, Content-Type of a multipart, all but the metadata of a 304),
/// are left out; where none is, the fields that were rendered once are sent by reference.
http::response begin_answer(const cache::stored_head& head, unsigned status, portion what);

/// Turns the fields that were rendered once into fields again, for who must change one of them.
void unshare(http::response& answer);

/// What this node adds to every answer of the data listener: Via (with the version in which its origin answered),
/// Cache-Status (where the cache was asked),
/// X-Request-Id, and CORS for browsers.
void add_node_fields(http::response_head& answer, const http::request& asked, const std::string& cache_status);

/// Age (RFC 9111 §5.1), left out of an answer that came from its origin just now.
void add_age(http::header_table& fields, std::chrono::seconds age, bool from_cache);

/// Body of a multipart/byteranges answer (RFC 9110 §14.6): part heads and ranges in turn. The first part's bytes are
/// asked for before its head is given, so that an origin that fails is noticed before the answer has begun.
class multipart_body final : public http::body_source {
public:
  multipart_body(cache::opened object, std::vector<byte_range> ranges, http::multipart_layout layout);
  net::task<result<net::slice>> next(std::size_t max_bytes) override;

private:
  cache::opened object_;
  std::vector<byte_range> ranges_;
  http::multipart_layout layout_;
  std::size_t part_ = 0;
  std::unique_ptr<http::body_source> reading_; ///< of the current part, once its head was sent
  net::slice ahead_;                           ///< the first part's first bytes
  bool begun_ = false;
  bool tail_sent_ = false;
};

/// A boundary that is not foreseen by who wrote the object (readers find parts by Content-Range anyway).
std::string make_boundary(std::string_view request_id);

} // namespace forebay::front
