#include "cache/cold/pack.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "storage/disk/segment_index.h"

namespace forebay::cache::cold {
namespace {

using namespace storage::disk;

constexpr std::size_t store_digits = 16, created_digits = 8, number_digits = 16;
constexpr std::string_view suffix = ".pack";

std::optional<std::uint64_t> parse_hex(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The index can hold such an extent, and it lies before the rows.
bool fits(const footer_row& row, std::uint64_t data_end) {
  const std::uint64_t position = std::uint64_t{row.position} * entry_align_bytes;
  const std::uint64_t group = segment_index::group_bytes;
  return row.kind == entry_kind::extent && row.payload_bytes > 0 && row.payload_bytes <= payload_bytes_max &&
         row.tenant <= segment_index::tenant_max && row.offset % grain_bytes == 0 &&
         row.offset < segment_index::object_bytes_max &&
         row.offset / group == (row.offset + row.payload_bytes - 1) / group && position <= data_end &&
         stored_bytes(row.payload_bytes) <= data_end - position;
}

} // namespace

std::string packs_prefix() { return fmt::format("v{}/", layout_version); }

std::string pack_name::key() const {
  return fmt::format("{}{}/{:08x}-{:016x}{}", packs_prefix(), store, created, number, suffix);
}

std::optional<pack_name> pack_name::parse(std::string_view key) {
  const std::string prefix = packs_prefix();
  constexpr std::size_t rest = store_digits + 1 + created_digits + 1 + number_digits + suffix.size();
  if (!key.starts_with(prefix) || key.size() != prefix.size() + rest || !key.ends_with(suffix)) return std::nullopt;
  key.remove_prefix(prefix.size());
  pack_name name;
  name.store = key.substr(0, store_digits);
  const auto created = parse_hex(key.substr(store_digits + 1, created_digits));
  const auto number = parse_hex(key.substr(store_digits + 1 + created_digits + 1, number_digits));
  if (!parse_hex(name.store) || !created || !number) return std::nullopt;
  name.created = static_cast<std::uint32_t>(*created);
  name.number = *number;
  if (name.key().substr(prefix.size()) != key) return std::nullopt; // another spelling of it
  return name;
}

footer_row pack_builder::add(const storage::version_key& version, std::uint64_t offset,
                             std::span<const std::byte> bytes, storage::tenant_id tenant) {
  entry_head head;
  head.kind = entry_kind::extent;
  head.tenant = tenant;
  head.payload_bytes = static_cast<std::uint32_t>(bytes.size());
  head.key = version;
  head.offset = offset;
  const std::size_t at = bytes_.size();
  bytes_.resize(at + static_cast<std::size_t>(stored_bytes(bytes.size())));
  write_entry(head, std::span(&bytes, 1), std::as_writable_bytes(std::span(bytes_)).subspan(at));
  footer_row row;
  row.kind = entry_kind::extent;
  row.tenant = tenant;
  row.payload_bytes = head.payload_bytes;
  row.key = version;
  row.offset = offset;
  row.position = static_cast<std::uint32_t>(at / entry_align_bytes);
  rows_.push_back(row);
  return row;
}

std::string pack_builder::finish(std::uint64_t number) {
  const std::uint64_t end = bytes_.size();
  const auto footer = render_footer(number, rows_, end, end);
  bytes_.append(reinterpret_cast<const char*>(footer.data()), footer.size());
  rows_.clear();
  return std::exchange(bytes_, {});
}

std::optional<segment_trailer> read_pack_trailer(std::span<const std::byte> last_sector, std::uint64_t number,
                                                 std::uint64_t pack_bytes) {
  const auto trailer = read_trailer(last_sector);
  if (!trailer || trailer->number != number || trailer->rows_at != trailer->data_end) return std::nullopt;
  const bool rows_fit = trailer->rows <= pack_bytes / sizeof(footer_row) && trailer->rows_at <= pack_bytes &&
                        footer_bytes(trailer->rows) == pack_bytes - trailer->rows_at;
  return rows_fit ? trailer : std::nullopt;
}

std::optional<std::vector<footer_row>> read_pack_rows(const segment_trailer& trailer,
                                                      std::span<const std::byte> footer) {
  auto rows = read_rows(trailer, footer);
  const bool good =
      rows && std::all_of(rows->begin(), rows->end(), [&](const auto& row) { return fits(row, trailer.data_end); });
  return good ? std::move(rows) : std::nullopt;
}

std::string marker::render() const {
  nlohmann::ordered_json document;
  document["layout"] = layout_version;
  document["byte_order"] = std::endian::native == std::endian::little ? "little" : "big";
  document["node"] = to_valid_utf8(node);
  document["stores"] = stores;
  return document.dump(2) + "\n";
}

std::optional<marker> marker::parse(std::string_view text) {
  const auto document = nlohmann::json::parse(text, nullptr, false);
  const auto ours = marker{}.render();
  const auto blank = nlohmann::json::parse(ours);
  if (!document.is_object() || document.value("layout", nlohmann::json()) != blank["layout"] ||
      document.value("byte_order", nlohmann::json()) != blank["byte_order"])
    return std::nullopt;
  marker read;
  if (const auto node = document.find("node"); node != document.end() && node->is_string())
    read.node = node->get<std::string>();
  const auto stores = document.find("stores");
  if (stores == document.end() || !stores->is_array()) return std::nullopt;
  for (const auto& each : *stores)
    if (each.is_string()) read.stores.push_back(each.get<std::string>());
  return read;
}

} // namespace forebay::cache::cold
