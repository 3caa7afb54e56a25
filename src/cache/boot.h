// Whether the machine was started anew: within one boot the steady clock goes on over restarts of the program.
#pragma once

#include <cstdint>

namespace forebay::cache {

/// Stands for this boot of the machine, never 0; 0 where the system does not tell. Asked once.
std::uint64_t boot_fingerprint() noexcept;

} // namespace forebay::cache
