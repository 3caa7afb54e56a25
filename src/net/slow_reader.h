// The least that a reader must take.
#pragma once

#include <cstdint>

namespace forebay::net {

/// Least number of bytes that the peer of every connection takes within each `stall` of `stream::send`, while we have
/// bytes for it; with less the send fails with `timeout`. One setting of the process (`limits.slow_reader`), because a
/// wait inside of a send is nobody else's to see. Any thread.
void set_slow_reader_bytes(std::uint64_t least) noexcept;
std::uint64_t slow_reader_bytes() noexcept;

} // namespace forebay::net
