// Answers of stores that are no HTTP servers: pin, conditions and range applied as a server would.
#pragma once

#include <string>
#include <string_view>

#include "origin/source.h"

namespace forebay::origin {

/// An object as the store holds it.
struct found_object {
  validator pinned; ///< none: nothing tells this version from the next
  std::string etag; ///< the field, with quotes; empty: none
  std::uint64_t length_bytes = 0;
  http::header_table fields; ///< Content-Type, Last-Modified ...; ETag and Date are added
};

/// The head of the answer to `asked` and, in `range`, what its body must hold (all of the object for a 200; the body
/// is the caller's). `changed` where the pin is another version, range_unsatisfiable with the length, 304 where
/// If-None-Match names this version. If-Modified-Since alone is never a 304: a date says less than what stores of this
/// kind know.
struct framed_answer {
  read_answer head;
  byte_range body;
  bool bodiless = false; ///< HEAD or 304
};
result<framed_answer> frame_answer(const read_request& asked, found_object found, const std::string& source);

/// The media type that the name's extension stands for; application/octet-stream where there is none.
std::string_view media_type_of(std::string_view key);

} // namespace forebay::origin
