// For tests and fuzzers: a segment whose every byte they choose, with checksums that are right. A broken writer leaves
// such, or somebody who wants the node to stumble.
#pragma once

#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "storage/disk/fake_volume.h"
#include "storage/disk/format.h"
#include "storage/memory_tier_access.h"

namespace forebay::storage::disk {

class foreign_segment {
public:
  foreign_segment(const key128& store, std::uint64_t number, std::uint32_t stream)
      : number_(number), bytes_(segment_bytes_min) {
    segment_head head;
    head.store = store;
    head.number = number;
    head.segment_bytes = bytes_.size();
    head.stream = stream;
    put_sealed(head, 0);
  }

  /// Head or trailer as it is told, with its checksum.
  template <class T>
  void put_sealed(T head, std::uint64_t at) {
    seal(head);
    put(std::as_bytes(std::span(&head, 1)), at);
  }
  void put(std::span<const std::byte> bytes, std::uint64_t at) {
    if (at > bytes_.size()) return;
    bytes = bytes.first(std::min<std::size_t>(bytes.size(), bytes_.size() - static_cast<std::size_t>(at)));
    if (!bytes.empty()) std::memcpy(bytes_.data() + at, bytes.data(), bytes.size());
  }
  /// An entry, with the bytes of version `content` where they fit. Gives the place behind it.
  std::uint64_t put_entry(entry_head head, std::uint64_t content, std::uint64_t at) {
    const std::uint64_t end = at + stored_bytes(head.payload_bytes);
    if (head.payload_bytes > payload_bytes_max || end > bytes_.size()) {
      put_sealed(head, at);
      return at + sizeof head;
    }
    std::vector<std::byte> payload(head.payload_bytes);
    testing_bytes::fill(payload, content, head.offset);
    const std::span<const std::byte> piece(payload);
    write_entry(head, std::span(&piece, 1), std::span(bytes_).subspan(static_cast<std::size_t>(at)));
    return end;
  }
  void put_footer(std::span<const footer_row> rows) {
    const std::uint64_t length = footer_bytes(rows.size());
    if (length > bytes_.size()) return;
    const auto footer = render_footer(number_, rows, bytes_.size() - length, bytes_.size() - length);
    put(footer, bytes_.size() - length);
  }

  std::span<std::byte> bytes() noexcept { return bytes_; }
  std::uint64_t number() const noexcept { return number_; }
  void store_in(fake_disk& disk, const std::string& name) && {
    auto made = std::make_shared<fake_disk::stored_file>();
    disk.used_bytes += bytes_.size();
    made->bytes = std::move(bytes_);
    disk.files[name] = made;
  }

private:
  std::uint64_t number_;
  std::vector<std::byte> bytes_;
};

} // namespace forebay::storage::disk
