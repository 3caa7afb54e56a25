#include "cache/boot.h"

#include <algorithm>
#include <cstdio>
#include <span>

#include "base/hash.h"

namespace forebay::cache {
namespace {

std::uint64_t read_boot() noexcept {
  std::FILE* const file = std::fopen("/proc/sys/kernel/random/boot_id", "re");
  if (file == nullptr) return 0;
  char text[64];
  const std::size_t length = std::fread(text, 1, sizeof text, file);
  std::fclose(file);
  if (length == 0) return 0;
  return std::max<std::uint64_t>(xxh3_64(std::as_bytes(std::span(text, length))), 1);
}

} // namespace

std::uint64_t boot_fingerprint() noexcept {
  static const std::uint64_t known = read_boot();
  return known;
}

} // namespace forebay::cache
