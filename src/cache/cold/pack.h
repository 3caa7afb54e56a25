// Objects of a cold tier: many extents in one, verified as on the disk (docs/reference/cold-format.md). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "storage/disk/format.h"
#include "storage/tier.h"

namespace forebay::cache::cold {

/// Part of the keys of packs and of the marker: another layout lies beside this one and is left alone.
inline constexpr unsigned layout_version = 1;
/// Says whose prefix it is.
inline constexpr std::string_view marker_key = "forebay-cold-tier.json";
/// Where the packs lie: "v1/".
std::string packs_prefix();

/// "v1/STORE/CREATED-NUMBER.pack": the disk tier that it belongs to, when it was made, a number that this store never
/// gave out before. Keys of one store in the order of their bytes are in the order of their age.
struct pack_name {
  std::string store;         ///< 16 hexadecimal digits
  std::uint32_t created = 0; ///< seconds since 1970
  std::uint64_t number = 0;
  std::string key() const;
  static std::optional<pack_name> parse(std::string_view key);
};

/// A pack in the making: entries as in a segment of the disk tier, one behind the other. For one thread at a time.
class pack_builder {
public:
  /// Appends an extent, and tells where it lies.
  storage::disk::footer_row add(const storage::version_key& version, std::uint64_t offset,
                                std::span<const std::byte> bytes, storage::tenant_id tenant);
  std::size_t size_bytes() const noexcept { return bytes_.size(); }
  bool empty() const noexcept { return rows_.empty(); }
  /// Bytes of the pack that is being made.
  std::string_view part(byte_range of) const { return std::string_view(bytes_).substr(of.begin, of.length_bytes()); }
  /// The whole pack, with its footer; the builder is empty afterwards.
  std::string finish(std::uint64_t number);

private:
  std::string bytes_;
  std::vector<storage::disk::footer_row> rows_;
};

/// Where the rows of a pack lie, from its last sector; nothing when this is no end of pack `number` of `pack_bytes`.
std::optional<storage::disk::segment_trailer> read_pack_trailer(std::span<const std::byte> last_sector,
                                                                std::uint64_t number, std::uint64_t pack_bytes);
/// The rows, from the bytes [rows_at, end of the pack); nothing when damaged, or when a row points elsewhere.
std::optional<std::vector<storage::disk::footer_row>> read_pack_rows(const storage::disk::segment_trailer& trailer,
                                                                     std::span<const std::byte> footer);

/// The marker's text.
struct marker {
  std::string node;
  std::vector<std::string> stores; ///< directories of the disk tier that the packs belong to, 32 hexadecimal digits
  std::string render() const;
  static std::optional<marker> parse(std::string_view text);
};

} // namespace forebay::cache::cold
