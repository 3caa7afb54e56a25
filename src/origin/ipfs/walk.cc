#include "origin/ipfs/walk.h"

#include <fmt/format.h>

#include "base/text.h"

namespace forebay::origin::ipfs {
namespace {

/// Entries of one directory that are put together from shards, and the shards of it that are asked for.
constexpr std::size_t entries_max = 1'000'000;
constexpr std::size_t segments_max = 256;

tl::unexpected<error> broken(const cid& name, std::string why) {
  return fail(error_kind::broken, "ipfs://" + name.to_string(), std::move(why));
}

const link* find_link(const node& directory, std::string_view name) {
  for (const link& each : directory.links) {
    if (each.name == name) return &each;
  }
  return nullptr;
}

tl::unexpected<error> absent(const cid& directory, std::string_view name) {
  return fail(error_kind::not_found, "ipfs://" + directory.to_string(),
              fmt::format("the directory has no entry \"{}\"", to_valid_utf8(name)));
}

/// The link of `name` in a sharded directory, which may lie some shards below.
net::task<result<link>> find_in_shards(std::shared_ptr<gateways> from, placed_node shard, std::string name,
                                       net::deadline until) {
  shard_path hash(name);
  for (unsigned depth = 0; depth < depth_max; ++depth) {
    const auto slot = hash.next(shard.content);
    if (!slot) break;
    if (const link* found = find_link(shard.content, *slot + name)) co_return *found;
    const link* below = find_link(shard.content, *slot);
    if (below == nullptr) co_return absent(shard.name, name);
    auto next = co_await fetch_node(from, below->to, until);
    if (!next) co_return fail(std::move(next.error()));
    if (next->content.type != node_type::shard) co_return broken(shard.name, "a shard leads to what is no shard");
    shard = std::move(*next);
  }
  co_return broken(shard.name, "its shards are deeper than their hash");
}

net::task<result<link>> find_entry(std::shared_ptr<gateways> from, placed_node directory, std::string name,
                                   net::deadline until) {
  if (directory.content.type == node_type::shard) {
    auto found = co_await find_in_shards(std::move(from), std::move(directory), std::move(name), until);
    co_return found;
  }
  if (directory.content.type != node_type::directory) co_return absent(directory.name, name);
  const link* found = find_link(directory.content, name);
  if (found == nullptr) co_return absent(directory.name, name);
  co_return *found;
}

} // namespace

net::task<result<placed_node>> fetch_node(std::shared_ptr<gateways> from, cid name, net::deadline until) {
  auto block = co_await from->block(name, until);
  if (!block) co_return fail(std::move(block.error()));
  auto content = read_node(name, **block);
  if (!content) co_return broken(name, content.error().context);
  co_return placed_node{std::move(name), std::move(*content)};
}

net::task<result<placed_node>> resolve_path(std::shared_ptr<gateways> from, cid root, std::string path,
                                            net::deadline until) {
  auto at = co_await fetch_node(from, root, until);
  if (!at || path.empty()) co_return at;
  const auto segments = split(path, '/');
  if (segments.size() > segments_max) co_return absent(root, path.substr(0, segments_max));
  for (const std::string_view each : segments) {
    std::string name(each);
    auto found = co_await find_entry(from, std::move(*at), std::move(name), until);
    if (!found) co_return fail(std::move(found.error()));
    at = co_await fetch_node(from, found->to, until);
    if (!at) co_return at;
  }
  co_return at;
}

net::task<result<std::vector<link>>> directory_entries(std::shared_ptr<gateways> from, placed_node directory,
                                                       net::deadline until) {
  if (directory.content.type == node_type::directory) co_return std::move(directory.content.links);
  std::vector<link> found;
  std::vector<std::pair<placed_node, unsigned>> open;
  open.emplace_back(std::move(directory), 1);
  while (!open.empty()) {
    auto [shard, depth] = std::move(open.back());
    open.pop_back();
    const unsigned digits = slot_digits(shard.content);
    for (link& each : shard.content.links) {
      if (found.size() + open.size() >= entries_max) {
        co_return fail(error_kind::exhausted, "ipfs://" + shard.name.to_string(),
                       fmt::format("a directory of more than {} entries", entries_max));
      }
      if (each.name.size() > digits) {
        each.name.erase(0, digits);
        found.push_back(std::move(each));
        continue;
      }
      auto below = co_await fetch_node(from, each.to, until);
      if (!below) co_return fail(std::move(below.error()));
      if (below->content.type != node_type::shard || depth >= depth_max) {
        co_return broken(shard.name, "a shard leads to what is no shard, or too deep");
      }
      open.emplace_back(std::move(*below), depth + 1);
    }
  }
  co_return found;
}

} // namespace forebay::origin::ipfs
