#include "front/web/propfind.h"

#include <fmt/format.h>
#include <set>

#include "base/text.h"
#include "cache/listings.h"
#include "front/nested_keys.h"
#include "front/read.h"
#include "front/reader_admission.h"
#include "front/reader_right.h"
#include "front/web/multistatus.h"
#include "http/date.h"
#include "http/etag.h"
#include "space/access.h"
#include "space/path.h"

namespace forebay::front {
namespace {

error listing_error(error_kind kind, std::string context) { return {kind, "listing", std::move(context)}; }

net::task<result<void>> drain_body(http::request& asked) {
  std::size_t taken = 0;
  while (asked.body != nullptr) {
    result<net::slice> piece = co_await asked.body->next(propfind_body_bytes_max);
    if (!piece) co_return fail(piece.error());
    if (piece->empty()) break;
    taken += piece->length_bytes();
    if (taken > propfind_body_bytes_max) {
      co_return fail(listing_error(error_kind::invalid_input,
                                   fmt::format("the body of a PROPFIND may have {} bytes", propfind_body_bytes_max)));
    }
  }
  co_return result<void>{};
}

/// What is known of the object, and whether it may be a web server's page about a directory.
struct found_object {
  dav_resource resource;
  bool may_be_index = false;
};

bool names_a_page(std::string_view key) {
  const std::string name = to_lower(key.substr(key.rfind('/') + 1));
  return name.ends_with(".html") || name.ends_with(".htm") || name.ends_with(".xhtml");
}

net::task<result<found_object>> find_object(cache::content_cache& cache, http::request& asked, space::placement where,
                                            std::string path) {
  exchange_notes& notes = *exchange_notes::of(asked);
  notes.looked_up = true;
  const std::string key = where.key;
  cache::open_request open;
  open.where = std::move(where);
  open.head_only = true;
  open.fields = &asked.head.fields;
  open.client = notes.account;
  open.connection = asked.connection;
  open.report = &notes.report;
  result<cache::opened> opened = co_await cache.open(std::move(open));
  if (!opened) co_return fail(opened.error());

  found_object found;
  found.resource.href = canonical_href(path);
  std::optional<std::string_view> type;
  if (opened->passes()) {
    const auto& fields = opened->pass->head.fields;
    found.resource.length_bytes = opened->pass->length_bytes;
    found.resource.etag = std::string(fields.get("etag").value_or(""));
    if (const auto date = fields.get("last-modified"))
      found.resource.modified = http::parse_date(*date, system_clock().wall());
    type = fields.get("content-type");
    found.may_be_index = type && iequals(type->substr(0, 9), "text/html") && !names_a_page(key);
    co_return found;
  }
  const cache::stored_head& head = *opened->head;
  found.resource.length_bytes = head.length_bytes;
  found.resource.modified = head.validators.last_modified;
  if (head.validators.tag) found.resource.etag = head.validators.tag->to_string();
  type = head.fields.get("content-type");
  found.may_be_index = type && iequals(type->substr(0, 9), "text/html") && !names_a_page(key);
  co_return found;
}

http::response make_207(std::vector<dav_resource> resources, bool chunked) {
  http::response answer;
  answer.head.status = 207;
  answer.head.fields.add("Content-Type", "application/xml; charset=utf-8");
  answer.head.fields.add("Cache-Control", "no-cache");
  if (chunked) {
    answer.body = make_multistatus(std::move(resources));
  } else {
    std::string text = render_multistatus(resources);
    answer.length_bytes = text.size();
    answer.body = http::make_body(std::move(text));
  }
  return answer;
}

/// Listings up to this many members are sent with their length, as every client understands them.
constexpr std::size_t members_sent_whole = 1'000;

net::task<result<http::response>> answer_collection(cache::content_cache& cache, exchange_notes* notes,
                                                    space::placement where, std::string path, listing_depth depth,
                                                    bool insists) {
  const auto settings = notes->settings;
  const auto space = where.space;
  const std::string key = where.key;
  if (!space->listing) {
    co_return fail(listing_error(error_kind::unsupported, "directories of this namespace cannot be listed"));
  }
  const bool is_root = key.empty();
  std::string prefix = key;
  if (!is_root && !prefix.ends_with('/')) prefix.push_back('/');
  const bool recursive = depth == listing_depth::infinity;
  // What lies deeper may have other readers (RFC 4918 §9.1: propfind-finite-depth).
  if (recursive && space->access != nullptr && !space->access->covers_below(prefix))
    co_return fail(listing_error(error_kind::forbidden, "Depth must be 0 or 1 here: the origin decides for each part"));
  cache::page_request wanted;
  wanted.space = space;
  wanted.prefix = prefix;
  wanted.recursive = recursive;
  wanted.max_entries = depth == listing_depth::zero ? 1 : settings->listing_entries;
  wanted.timeout = settings->listing_timeout;
  wanted.insists = insists;
  wanted.token = where.token;
  auto page = co_await cache.listings().list(std::move(wanted), &notes->report);
  notes->looked_up = true;
  if (!page) co_return fail(page.error());
  const auto listed = std::move(*page);
  if (listed->entries.empty() && !is_root) {
    co_return fail(listing_error(error_kind::not_found, "the origin has no object at this path and nothing below it"));
  }
  std::string base = canonical_href(path);
  if (depth == listing_depth::zero) {
    if (!base.ends_with('/')) base.push_back('/');
    co_return make_207({{std::move(base), true, {}, {}, {}}}, false);
  }
  if (listed->truncated()) {
    co_return fail(listing_error(
        error_kind::exhausted,
        fmt::format("the listing has more than {} members; ask for a smaller part of it", settings->listing_entries)));
  }
  const auto shown = without_hidden(*settings->spaces, *space, listed->entries);
  auto resources = resources_of(shown, prefix, base, recursive);
  const bool chunked = resources.size() > members_sent_whole;
  co_return make_207(std::move(resources), chunked);
}

/// The members of `directory` ("/a", "" for the root): the first segments of the namespaces' paths below it, of those
/// that the reader may know of.
std::vector<dav_resource> members_above(const http::request& asked, const space::space_map& spaces,
                                        const std::string& directory) {
  const std::string base = directory + "/";
  std::set<std::string, std::less<>> names;
  for (const auto& each : spaces.spaces()) {
    const std::string_view path = each->path;
    if (path.starts_with(base) && may_know(asked, *each))
      names.emplace(path.substr(base.size(), path.find('/', base.size()) - base.size()));
  }
  std::vector<dav_resource> members;
  for (const std::string& name : names) members.push_back({percent_encode(base + name, "/") + "/", true, {}, {}, {}});
  return members;
}

} // namespace

net::task<result<http::response>> answer_above_namespaces(http::request& asked, std::string path) {
  const auto settings = exchange_notes::of(asked)->settings;
  auto directory = space::decode_path(path);
  if (!directory) co_return fail(directory.error());
  while (directory->ends_with('/')) directory->pop_back();
  auto members = members_above(asked, *settings->spaces, *directory);
  if (members.empty() && !directory->empty()) {
    co_return fail(listing_error(error_kind::not_found, "no namespace stands below this path"));
  }
  const auto depth = parse_depth(asked.head.fields);
  if (!depth) co_return fail(listing_error(error_kind::invalid_input, "Depth must be 0, 1 or infinity"));
  // Without the objects of the namespaces it would be a lie, and with them a walk through every store
  // (RFC 4918 §9.1: propfind-finite-depth).
  if (*depth == listing_depth::infinity) {
    co_return fail(listing_error(error_kind::forbidden, "Depth must be 0 or 1 above the namespaces"));
  }
  result<void> drained = co_await drain_body(asked);
  if (!drained) co_return fail(drained.error());
  if (*depth == listing_depth::zero) members.clear();
  members.insert(members.begin(), {percent_encode(*directory, "/") + "/", true, {}, {}, {}});
  co_return make_207(std::move(members), false);
}

net::task<result<http::response>> answer_propfind(cache::content_cache& cache, http::request& asked,
                                                  space::placement where, std::string path) {
  exchange_notes* const notes = exchange_notes::of(asked);
  const auto depth = parse_depth(asked.head.fields);
  if (!depth) co_return fail(listing_error(error_kind::invalid_input, "Depth must be 0, 1 or infinity"));
  result<void> drained = co_await drain_body(asked);
  if (!drained) co_return fail(drained.error());

  space::placement directory = where;
  const std::string key = where.key;
  const bool insists = insists_on_origin(asked.head.fields);
  if (key.empty() || key.ends_with('/')) {
    result<http::response> listed = co_await answer_collection(cache, notes, directory, path, *depth, insists);
    co_return listed;
  }
  result<found_object> object = co_await find_object(cache, asked, std::move(where), path);
  const bool absent =
      !object && (object.error().kind == error_kind::not_found || object.error().kind == error_kind::gone);
  if (!object && !absent) co_return fail(object.error());
  if (object && !object->may_be_index) co_return make_207({std::move(object->resource)}, false);
  // A right to what is called "a" is none to the directory "a/".
  std::string inside = key + "/";
  result<void> admitted = co_await admit_reader(asked, &directory, std::move(inside), space::access_action::list);
  if (!admitted && !object) co_return fail(admitted.error());
  if (!admitted) co_return make_207({std::move(object->resource)}, false);
  result<http::response> listed = co_await answer_collection(cache, notes, directory, path, *depth, insists);
  if (listed) co_return listed;
  // An index page that cannot be read as one is an object after all; an object that is not there stays absent
  // where the store cannot list.
  if (object) co_return make_207({std::move(object->resource)}, false);
  if (listed.error().kind == error_kind::unsupported) co_return fail(object.error());
  co_return listed;
}

} // namespace forebay::front
