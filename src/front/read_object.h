// GET and HEAD of an object, from its opening to the first bytes of its body: what all fronts do alike.
#pragma once

#include "base/result.h"
#include "cache/cache.h"
#include "front/notes.h"
#include "http/server.h"
#include "net/task.h"
#include "space/space.h"

namespace forebay::front {

/// What came of a read. A failure is told in the words of each protocol.
struct read_outcome {
  enum class kind { answered, precondition_failed, unsatisfiable, failed };
  kind what = kind::answered;
  http::response answer;          ///< answered: its first bytes are there; without this node's own fields
  error why;                      ///< otherwise
  std::uint64_t length_bytes = 0; ///< unsatisfiable: of the object
};

/// Opens the object, evaluates conditions and ranges, and begins the body. An object that changes under our feet is
/// opened again as long as nothing was sent. The request's notes say what the cache did.
net::task<read_outcome> read_object(cache::content_cache& cache, http::request& asked, space::placement where);

/// The status of a failed read: 503 where no condition of the reader's failed and it may try again.
unsigned status_of_read(const error& why) noexcept;

} // namespace forebay::front
