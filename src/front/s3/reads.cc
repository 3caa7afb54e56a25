// GET and HEAD: of the service, of buckets, of objects.
#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "base/text.h"
#include "front/answer.h"
#include "front/nested_keys.h"
#include "front/read.h"
#include "front/read_object.h"
#include "front/reader_admission.h"
#include "front/s3/list_objects.h"
#include "front/s3/listed_sizes.h"
#include "front/s3/parts.h"
#include "front/s3/s3_call.h"
#include "http/range.h"
#include "origin/source.h"
#include "space/path.h"

namespace forebay::front::s3 {
namespace {

constexpr std::string_view xml_namespace = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";
/// What we say where we are. Clients sign for it; a signature for any other region is as good.
constexpr std::string_view our_region = "us-east-1";

/// Subresources that this node does not have; S3 would not give the object for them either.
constexpr std::array<std::string_view, 8> subresources{"acl",        "tagging", "torrent", "retention",
                                                       "legal-hold", "restore", "select",  "renameObject"};

/// The parameters by which a signed request changes fields of the answer, and the fields.
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> overrides{
    {{"response-content-type", "Content-Type"},
     {"response-content-language", "Content-Language"},
     {"response-expires", "Expires"},
     {"response-cache-control", "Cache-Control"},
     {"response-content-disposition", "Content-Disposition"},
     {"response-content-encoding", "Content-Encoding"}}};

tl::expected<http::header_table, s3_failure> read_overrides(const s3_call& call) {
  http::header_table fields;
  for (const auto& [name, field] : overrides) {
    const std::string* const value = call.what.find(name);
    if (value == nullptr) continue;
    // Whoever can make others follow a link could dress up any object: only the owner of a key may.
    if (call.who == nullptr) {
      return refuse(400, "InvalidRequest",
                    "Request specific response headers cannot be used for anonymous GET requests.");
    }
    const bool control =
        std::any_of(value->begin(), value->end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; });
    if (control) return refuse(400, "InvalidArgument", fmt::format("{} holds a control character", name));
    fields.add(field, *value);
  }
  return fields;
}

/// A version that the reader names goes to the store as part of the object's name. A kind of store that has no
/// versions would give the latest instead.
std::optional<s3_failure> name_version(s3_call& call) {
  const std::string* const version = call.what.find("versionId");
  if (version == nullptr || version->empty()) return std::nullopt;
  const auto& store = *call.where.space->origins.front();
  std::string query = "versionId=" + percent_encode(*version);
  if (store.identify(call.where.key, query).canonical() == store.identify(call.where.key, "").canonical())
    return s3_failure{501, "NotImplemented", "The store behind this bucket has no versions that could be named."};
  call.where.query = std::move(query);
  return std::nullopt;
}

net::task<s3_outcome> read_attributes(s3_call& call) {
  cache::open_request open;
  open.where = call.where;
  open.head_only = true;
  open.fields = &call.asked.head.fields;
  open.client = call.notes.account;
  open.connection = call.asked.connection;
  open.report = &call.notes.report;
  call.notes.looked_up = true;
  auto opened = co_await call.cache.open(std::move(open));
  if (!opened) co_return refuse(failure_of(opened.error(), subject::object));
  const http::header_table& fields = opened->passes() ? opened->pass->head.fields : opened->head->fields;
  const auto length = opened->passes() ? opened->pass->length_bytes : opened->head->length_bytes;
  const std::string wanted = to_lower(call.asked.head.fields.joined("x-amz-object-attributes").value_or(""));
  std::string body = fmt::format("<GetObjectAttributesResponse {}>", xml_namespace);
  std::string tag(fields.get("etag").value_or(""));
  std::erase(tag, '"');
  if (wanted.find("etag") != std::string::npos && !tag.empty()) append_element(body, "ETag", tag);
  if (wanted.find("objectsize") != std::string::npos && length)
    append_element(body, "ObjectSize", fmt::format("{}", *length));
  if (wanted.find("storageclass") != std::string::npos) append_element(body, "StorageClass", "STANDARD");
  auto answer = make_xml(200, body + "</GetObjectAttributesResponse>", call.head_only());
  if (const auto modified = fields.get("last-modified")) answer.head.fields.add("Last-Modified", *modified);
  co_return answer;
}

net::task<s3_outcome> list(s3_call& call) {
  if (!call.where.space->listing) co_return refuse(403, "AccessDenied", "This bucket cannot be listed.");
  auto wish = read_list_wish(call.what);
  if (!wish) co_return refuse(std::move(wish.error()));
  wish->insists = insists_on_origin(call.asked.head.fields);
  wish->right = call.where.token;
  wish->hidden = [&call](const std::string& key) {
    return behind_hidden(*call.settings.common->spaces, *call.where.space, key);
  };
  const auto space = call.where.space;
  call.notes.looked_up = wish->max_keys != 0;
  auto page = co_await list_objects(call.cache.listings(), space, *wish, call.settings.common->listing_timeout,
                                    &call.notes.report);
  if (!page) {
    const bool absent = page.error().kind == error_kind::not_found || page.error().kind == error_kind::gone;
    // A directory that is not there is an empty prefix; a bucket that is not there is none.
    const std::string kind = space->origins.front()->identify("", "").kind;
    const bool has_directories = kind == "web" || kind == "file";
    if (!absent || !has_directories || wish->prefix.empty())
      co_return refuse(failure_of(page.error(), subject::bucket));
    page = list_page{};
  }
  const auto sized = co_await fill_sizes(call, *page);
  if (!sized) co_return refuse(failure_of(sized.error(), subject::object));
  co_return make_xml(200, render(*wish, *page, call.what.bucket), call.head_only());
}

/// Whether a public bucket that somebody named is there: its store knows. Namespaces are.
net::task<s3_outcome> head_bucket(s3_call& call) {
  if (call.where.space->tenant == storage::open_stores_tenant && call.where.space->bucket.empty()) {
    cache::page_request wanted;
    wanted.space = call.where.space;
    wanted.max_entries = 1;
    wanted.token = call.where.token;
    wanted.timeout = call.settings.common->listing_timeout;
    call.notes.looked_up = true;
    auto page = co_await call.cache.listings().list(std::move(wanted), &call.notes.report);
    if (!page) co_return refuse(failure_of(page.error(), subject::bucket));
  }
  http::response answer;
  answer.length_bytes = 0;
  answer.head.fields.add("x-amz-bucket-region", our_region);
  answer.head.fields.add("Content-Type", "application/xml");
  co_return answer;
}

} // namespace

http::response list_buckets(const s3_call& call) {
  std::string body = fmt::format("<ListAllMyBucketsResult {}><Owner><ID>forebay</ID>"
                                 "<DisplayName>forebay</DisplayName></Owner><Buckets>",
                                 xml_namespace);
  for (const auto& space : call.settings.common->spaces->spaces()) {
    const bool by_key =
        space->access == nullptr && call.who != nullptr && space::name_allowed(call.who->buckets, space->bucket);
    if (!(by_key || may_know(call.asked, *space)) || space->bucket.empty()) continue;
    body += "<Bucket>";
    append_element(body, "Name", space->bucket);
    append_element(body, "CreationDate", format_timestamp({}));
    body += "</Bucket>";
  }
  return make_xml(200, body + "</Buckets></ListAllMyBucketsResult>", call.head_only());
}

net::task<s3_outcome> read_bucket(s3_call& call) {
  if (call.head_only()) {
    s3_outcome answer = co_await head_bucket(call);
    co_return answer;
  }
  if (call.what.has("location")) // us-east-1 is spelt as nothing at all
    co_return make_xml(200, fmt::format("<LocationConstraint {}></LocationConstraint>", xml_namespace), false);
  if (call.what.has("versioning"))
    co_return make_xml(200, fmt::format("<VersioningConfiguration {}></VersioningConfiguration>", xml_namespace),
                       false);
  // All other subresources of a bucket are parameters that no listing has.
  static constexpr std::array<std::string_view, 12> of_listings{
      "list-type",   "prefix",      "delimiter",          "marker", "max-keys",        "encoding-type",
      "start-after", "fetch-owner", "continuation-token", "x-id",   "allow-unordered", "x-amz-request-payer"};
  for (const parameter& one : call.what.query) {
    const bool known = std::find(of_listings.begin(), of_listings.end(), one.name) != of_listings.end() ||
                       one.name.starts_with("X-Amz-") || one.name.starts_with("response-");
    if (!known && one.value.empty())
      co_return refuse(501, "NotImplemented", fmt::format("Buckets have no \"{}\" here.", one.name));
    if (one.name == "versions") co_return refuse(501, "NotImplemented", "Versions cannot be listed here.");
  }
  s3_outcome answer = co_await list(call);
  co_return answer;
}

net::task<s3_outcome> read_key(s3_call& call) {
  for (const std::string_view each : subresources) {
    if (call.what.has(each)) co_return refuse(501, "NotImplemented", fmt::format("Objects have no \"{}\" here.", each));
  }
  if (auto failure = name_version(call)) co_return refuse(std::move(*failure));
  if (call.what.has("attributes")) {
    s3_outcome answer = co_await read_attributes(call);
    co_return answer;
  }
  const auto changed = read_overrides(call);
  if (!changed) co_return refuse(changed.error());
  std::optional<part_place> part;
  if (call.what.has("partNumber")) {
    auto aimed = co_await aim_at_part(call);
    if (!aimed) co_return refuse(std::move(aimed.error()));
    part = std::move(*aimed);
  }
  read_outcome outcome = co_await read_object(call.cache, call.asked, call.where);
  using kind = read_outcome::kind;
  if (part && part->pinned && outcome.what == kind::precondition_failed) {
    insist_on_origin(call);
    outcome = co_await read_object(call.cache, call.asked, call.where);
  }
  if (outcome.what == kind::precondition_failed)
    co_return refuse(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold");
  if (outcome.what == kind::failed) co_return refuse(failure_of(outcome.why, subject::object));
  if (outcome.what == kind::unsatisfiable) {
    auto answer = make_failure(failure_of(outcome.why, subject::object), call.asked);
    answer.head.fields.add("Content-Range", http::format_unsatisfied_range(outcome.length_bytes));
    co_return answer;
  }
  if (part) shape_part(call, *part, outcome.answer);
  const unsigned status = outcome.answer.head.status;
  if (changed->size() != 0 && (status == 200 || status == 206)) {
    unshare(outcome.answer);
    changed->each([&](std::string_view name, std::string_view value) { outcome.answer.head.fields.set(name, value); });
  }
  co_return std::move(outcome.answer);
}

} // namespace forebay::front::s3
