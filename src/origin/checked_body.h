// A body whose bytes must come to the checksum that the store gave for the whole object.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/metrics.h"
#include "origin/checksum.h"
#include "origin/source.h"

namespace forebay::origin {

/// So much of the end is held back until the checksum has matched: who follows the transfer never has all of a damaged
/// object.
inline constexpr std::size_t held_tail_bytes = 64 * 1024;

/// Passes `inner`, a body of exactly `length_bytes`, on. Its last `held_tail_bytes` come only once all have passed and
/// match `expected`; otherwise the read fails, and is counted for `source`. Loop thread only, as its inner one.
std::unique_ptr<http::client_body> check_body(std::unique_ptr<http::client_body> inner, expected_digest expected,
                                              std::uint64_t length_bytes, std::string source);

/// Wraps the body of an answer that holds the whole object and a checksum of it; any other stays as it is.
void check_whole(read_answer& answer, const std::string& source);

/// How often it failed for that origin.
metrics::counter& mismatches_of(const std::string& source);

/// True for the failure of a checked body. What came before it is of no version: it must not be kept or continued.
bool is_checksum_mismatch(const error& failure);

} // namespace forebay::origin
