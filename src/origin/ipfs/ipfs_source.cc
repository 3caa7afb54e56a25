#include "origin/ipfs/ipfs_source.h"

#include <fmt/format.h>

#include "base/text.h"
#include "origin/found_object.h"
#include "origin/http_source.h"
#include "origin/ipfs/walk.h"
#include "origin/listing_walk.h"
#include "origin/origin_url.h"
#include "origin/store_url.h"

namespace forebay::origin::ipfs {
namespace {

/// How deep a recursive listing goes, and the entries of one directory that are looked at for their lengths.
constexpr std::size_t directory_levels = 64;
constexpr std::size_t gateways_max = 16;

/// What a CID names never changes: a year, as RFC 8246 means it.
constexpr std::string_view forever = "public, max-age=31536000, immutable";

std::string etag_of(const cid& name) { return "\"" + name.to_string() + "\""; }

} // namespace

result<location> parse_location(std::string_view url) {
  auto parsed = parse_origin_url(url, "ipfs", {"gateways"});
  if (!parsed) return fail(std::move(parsed.error()));
  location where;
  const auto root = parse_cid(parsed->authority);
  if (!root) {
    return fail(error_kind::invalid_input, "ipfs://" + parsed->authority,
                "expected ipfs://CID: a CIDv0, or a CIDv1 of a raw or dag-pb block by sha2-256 or blake2b-256");
  }
  where.root = *root;
  where.path = parsed->path;
  while (where.path.starts_with('/')) where.path.erase(0, 1);
  const std::string list = parsed->get("gateways");
  for (const std::string_view each : split(list, ',')) {
    if (!trim(each).empty()) where.gateways.emplace_back(trim(each));
  }
  if (where.gateways.size() > gateways_max) {
    return fail(error_kind::invalid_input, "ipfs origin", fmt::format("more than {} gateways", gateways_max));
  }
  auto sound = gateways::check(where.gateways);
  if (!sound) return fail(std::move(sound.error()));
  return where;
}

result<std::shared_ptr<source>> ipfs_source::make(std::string_view url, const source_settings& settings) {
  auto where = parse_location(url);
  if (!where) return fail(std::move(where.error()));
  const auto& list = where->gateways.empty() ? settings.ipfs_gateways : where->gateways;
  if (list.empty()) {
    return fail(error_kind::invalid_input, "ipfs origin",
                "no gateway: name some by ?gateways=https://a,https://b or in network.ipfs_gateways");
  }
  auto from = gateways::find(list, settings);
  return std::make_shared<ipfs_source>(std::move(*where), std::move(from), settings);
}

ipfs_source::ipfs_source(location where, std::shared_ptr<gateways> from, const source_settings& settings)
    : where_(std::move(where)), from_(std::move(from)), limits_(settings.limits) {
  name_ = "ipfs://" + where_.root.to_string();
  if (!where_.path.empty()) name_ += "/" + percent_encode(where_.path, "/");
}

std::string ipfs_source::full_path(const std::string& key) const { return join_key(where_.path, key); }

identity ipfs_source::identify(const std::string& key, const std::string&) const {
  return {"ipfs", "ipfs:", where_.root.to_string(), full_path(key), "anonymous", ""};
}

net::task<result<read_answer>> ipfs_source::read(read_request asked) {
  const auto self = shared_from_this();
  const net::deadline until = deadline_or(asked.until, self->limits_.read_timeout);
  const std::string path = self->full_path(asked.key);
  auto found = co_await resolve_path(self->from_, self->where_.root, path, until);
  if (!found) co_return fail(std::move(found.error()));
  if (found->content.type == node_type::symlink) {
    co_return fail(error_kind::unsupported, self->name(), "this name is a symbolic link, which is not followed");
  }
  if (found->content.type != node_type::file) {
    co_return fail(error_kind::not_found, self->name(), "this name is a directory's");
  }
  found_object object;
  object.pinned = {validator_kind::content_id, found->name.to_string()};
  object.etag = etag_of(found->name);
  object.length_bytes = found->content.length_bytes;
  object.fields.add("Content-Type", media_type_of(path));
  object.fields.add("Cache-Control", forever);
  auto framed = frame_answer(asked, std::move(object), self->name());
  if (!framed) co_return fail(std::move(framed.error()));
  if (!framed->bodiless) {
    framed->head.body = make_file_body(self->from_, std::move(*found), framed->body, self->limits_.read_timeout);
  }
  co_return std::move(framed->head);
}

net::task<result<std::vector<list_entry>>> ipfs_source::list_directory(std::string key, net::deadline until) {
  const auto self = shared_from_this();
  std::string path = self->full_path(key);
  while (path.ends_with('/')) path.pop_back();
  auto found = co_await resolve_path(self->from_, self->where_.root, path, until);
  if (!found) co_return fail(std::move(found.error()));
  const bool directory = found->content.type == node_type::directory || found->content.type == node_type::shard;
  if (!directory) co_return fail(error_kind::not_found, self->name(), "this name is no directory's");
  auto links = co_await directory_entries(self->from_, std::move(*found), until);
  if (!links) co_return fail(std::move(links.error()));
  std::vector<list_entry> entries;
  for (link& each : *links) {
    list_entry entry;
    entry.key = key + each.name;
    // Names that are no keys: nobody could ask for them.
    if (each.name.empty() || each.name.find('/') != std::string::npos) continue;
    entry.etag = etag_of(each.to);
    if (each.to.codec == codec_raw) {
      entry.length_bytes = each.size_bytes;
      entries.push_back(std::move(entry));
      continue;
    }
    auto child = co_await fetch_node(self->from_, each.to, until);
    if (!child) co_return fail(std::move(child.error()));
    entry.directory = child->content.type == node_type::directory || child->content.type == node_type::shard;
    if (entry.directory) entry.etag.clear();
    if (entry.directory) entry.key += '/';
    if (child->content.type == node_type::symlink) continue;
    if (!entry.directory) entry.length_bytes = child->content.length_bytes;
    entries.push_back(std::move(entry));
  }
  co_return entries;
}

net::task<result<listing>> ipfs_source::list(list_request asked) {
  const auto self = shared_from_this();
  const net::deadline until = deadline_or(asked.until, self->limits_.read_timeout);
  listing_walk walk(std::move(asked), directory_levels);
  while (auto directory = walk.next_directory()) {
    auto entries = co_await self->list_directory(std::move(*directory), until);
    const bool absent = !entries && entries.error().kind == error_kind::not_found;
    if (!entries && !absent) co_return fail(std::move(entries.error()));
    if (entries) walk.found(std::move(*entries));
  }
  co_return walk.take();
}

net::task<result<write_answer>> ipfs_source::write(write_request) {
  const auto self = shared_from_this();
  co_return fail(error_kind::unsupported, self->name(), "what a CID names cannot be changed");
}

} // namespace forebay::origin::ipfs
