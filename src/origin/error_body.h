// The words in the body of a store's error answer (S3, GCS and Azure all speak the same small XML).
#pragma once

#include <string>
#include <string_view>

#include "origin/answer.h"

namespace forebay::origin {

struct error_words {
  error_detail detail;
  std::string region; ///< S3: where the bucket is, in answers to requests of another region
};

/// Reads `<Error><Code/><Message/><Region/></Error>`, also inside another element, and the JSON of Google's API. Empty
/// for anything else.
/// Control characters become spaces, long texts are cut.
error_words parse_error_body(std::string_view body);

/// A foreign text as part of a sentence: at most 300 bytes, without control characters.
std::string clean_words(std::string_view text);

} // namespace forebay::origin
