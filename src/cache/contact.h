// A contact: the exchange with an origin that tells what an object is now. Internal to cache/.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cache/object.h"

namespace forebay::cache {

/// One at a time per object; all who need its answer wait for it. It is not the reader's who caused it: that one
/// may leave. Fields below `done` are written before it and constant after; all under the object's mutex.
struct contact {
  std::vector<net::event> waiters;
  bool done = false;
  result<void> outcome;                    ///< error: nothing is known but this failure
  std::shared_ptr<const stored_head> head; ///< the representation, when it has become one
  std::shared_ptr<version> of;
  bool revalidated = false; ///< 304: the stored version holds
  bool stored = false;
  byte_range fetched{}; ///< what the fill of this exchange brings
  unsigned status = 0;
  /// The answer passes through (uncacheable): the one who caused the contact takes it where it fits, others ask for
  /// themselves.
  std::optional<origin::read_answer> pass;
  bool passes = false;
  bool unpinned = false; ///< it could have been kept, but no validator tells its versions apart
};

/// What to ask.
struct question {
  std::vector<binding> origins; ///< the one asked, then mirrors that may continue its fill
  space::freshness_policy policy;
  std::optional<http::range_spec> range; ///< of the reader who causes it
  bool head_only = false;
  std::optional<std::string> loop{}; ///< CDN-Loop of that reader's request: whom it has passed (RFC 8586)
};

/// Asks the origin, installs what it says, and runs the fill of the body that came. Runs on the current loop,
/// detached from the request.
net::task<void> make_contact(std::shared_ptr<engine> shared, std::shared_ptr<object> about,
                             std::shared_ptr<contact> mine, question asked);

} // namespace forebay::cache
