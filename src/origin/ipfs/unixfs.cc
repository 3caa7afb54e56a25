#include "origin/ipfs/unixfs.h"

#include <fmt/format.h>

#include <bit>

#include "origin/ipfs/murmur3.h"
#include "origin/ipfs/protobuf.h"

namespace forebay::origin::ipfs {
namespace {

/// DataType of UnixFS.
enum : std::uint64_t { type_raw, type_directory, type_file, type_metadata, type_symlink, type_shard };
constexpr std::uint64_t hash_murmur3 = 0x22;
constexpr unsigned fanout_max = 1024;

tl::unexpected<error> malformed(std::string why) { return fail(error_kind::broken, "IPFS block", std::move(why)); }

std::optional<link> read_link(std::string_view message) {
  link made;
  bool has_target = false;
  while (!message.empty()) {
    const auto field = take_field(message);
    if (!field) return std::nullopt;
    if (field->number == 1 && field->is_bytes) {
      std::string_view bytes = field->bytes;
      const auto to = take_cid(bytes);
      if (!to || !bytes.empty() || has_target) return std::nullopt;
      made.to = *to;
      has_target = true;
    } else if (field->number == 2 && field->is_bytes) {
      made.name = std::string(field->bytes);
    } else if (field->number == 3 && !field->is_bytes) {
      made.size_bytes = field->value;
    } else {
      return std::nullopt;
    }
  }
  return has_target ? std::optional(made) : std::nullopt;
}

/// Fields of a UnixFS message as they are written.
struct unixfs_fields {
  std::optional<std::uint64_t> type, length_bytes, hash, fanout;
  std::string data;
  std::vector<std::uint64_t> blocks;
};

bool read_packed(std::string_view packed, std::vector<std::uint64_t>& into) {
  while (!packed.empty()) {
    const auto value = take_varint(packed);
    if (!value || into.size() >= links_max) return false;
    into.push_back(*value);
  }
  return true;
}

bool read_field(const protobuf_field& field, unixfs_fields& into) {
  switch (field.number) {
  case 1: into.type = field.value; return !field.is_bytes;
  case 2: into.data = std::string(field.bytes); return field.is_bytes;
  case 3: into.length_bytes = field.value; return !field.is_bytes;
  case 4:
    if (field.is_bytes) return read_packed(field.bytes, into.blocks);
    into.blocks.push_back(field.value);
    return into.blocks.size() <= links_max;
  case 5: into.hash = field.value; return !field.is_bytes;
  case 6: into.fanout = field.value; return !field.is_bytes;
  default: return true; // mode and time of UnixFS 1.5, and what comes after
  }
}

std::optional<unixfs_fields> read_unixfs(std::string_view message) {
  unixfs_fields made;
  while (!message.empty()) {
    const auto field = take_field(message);
    if (!field || !read_field(*field, made)) return std::nullopt;
  }
  return made.type ? std::optional(made) : std::nullopt;
}

/// A file's length is what lies here and in its children; nobody is to be told another.
result<node> check_file(node made, unixfs_fields fields) {
  made.type = node_type::file;
  made.data = std::move(fields.data);
  made.blocks = std::move(fields.blocks);
  if (made.blocks.size() != made.links.size())
    return malformed("a file's links and the lengths of them differ in number");
  made.length_bytes = made.data.size();
  for (const std::uint64_t each : made.blocks) {
    if (__builtin_add_overflow(made.length_bytes, each, &made.length_bytes))
      return malformed("a file's length overflows");
  }
  if (fields.length_bytes && *fields.length_bytes != made.length_bytes) {
    return malformed("a file's length is not the sum of its parts");
  }
  return made;
}

result<node> check_shard(node made, unixfs_fields fields) {
  made.type = node_type::shard;
  const std::uint64_t fanout = fields.fanout.value_or(0);
  if (fields.hash != hash_murmur3 || fanout < 8 || fanout > fanout_max || !std::has_single_bit(fanout)) {
    return malformed("a sharded directory of a hash or fan-out that is not in use");
  }
  made.fanout = static_cast<unsigned>(fanout);
  made.data = std::move(fields.data);
  for (const link& each : made.links) {
    if (each.name.size() < slot_digits(made)) return malformed("a link of a sharded directory without its slot");
  }
  return made;
}

} // namespace

result<node> read_node(const cid& name, std::string_view block) {
  node made;
  if (name.codec == codec_raw) {
    made.data = std::string(block);
    made.length_bytes = block.size();
    return made;
  }
  std::optional<std::string_view> data;
  while (!block.empty()) {
    const auto field = take_field(block);
    if (!field || !field->is_bytes || field->number > 2) return malformed("no dag-pb node");
    if (field->number == 1) {
      if (data) return malformed("a dag-pb node with two data fields");
      data = field->bytes;
      continue;
    }
    auto link = read_link(field->bytes);
    if (!link) return malformed("a link whose CID, codec or hash is none that can be checked");
    if (made.links.size() == links_max) return malformed(fmt::format("a node of more than {} links", links_max));
    made.links.push_back(std::move(*link));
  }
  auto fields = data ? read_unixfs(*data) : std::nullopt;
  if (!fields) return malformed("a dag-pb node without a UnixFS message");
  switch (*fields->type) {
  case type_raw:
  case type_file: return check_file(std::move(made), std::move(*fields));
  case type_directory: made.type = node_type::directory; return made;
  case type_shard: return check_shard(std::move(made), std::move(*fields));
  case type_symlink:
    made.type = node_type::symlink;
    made.data = std::move(fields->data);
    return made;
  default: return malformed(fmt::format("a UnixFS node of type {}", *fields->type));
  }
}

unsigned slot_digits(const node& shard) { return static_cast<unsigned>(fmt::formatted_size("{:X}", shard.fanout - 1)); }

shard_path::shard_path(std::string_view name) : hash_(murmur3_x64_64(name)) {}

std::optional<std::string> shard_path::next(const node& shard) {
  const auto bits = static_cast<unsigned>(std::countr_zero(shard.fanout));
  if (used_bits_ + bits > 64) return std::nullopt;
  const std::uint64_t slot = hash_ << used_bits_ >> (64 - bits);
  used_bits_ += bits;
  return fmt::format("{:0{}X}", slot, slot_digits(shard));
}

} // namespace forebay::origin::ipfs
