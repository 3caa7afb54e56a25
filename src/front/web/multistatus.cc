#include "front/web/multistatus.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

#include "base/text.h"
#include "http/date.h"

namespace forebay::front {
namespace {

constexpr std::string_view opening = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<D:multistatus xmlns:D=\"DAV:\">\n";
constexpr std::string_view closing = "</D:multistatus>\n";
/// Members rendered at a time: about 100 KB of XML, a fraction of a millisecond.
constexpr std::size_t members_per_piece = 256;

class multistatus_body final : public http::body_source {
public:
  explicit multistatus_body(std::vector<dav_resource> resources) : resources_(std::move(resources)) {}

  net::task<result<net::slice>> next(std::size_t max_bytes) override {
    if (sent_ == piece_.size()) render_piece();
    const std::size_t count = std::min(max_bytes, piece_.size() - sent_);
    if (count == 0) co_return net::slice{};
    std::string part = piece_.substr(sent_, count);
    sent_ += count;
    co_return net::make_slice(std::move(part));
  }

private:
  void render_piece() {
    piece_.clear();
    sent_ = 0;
    if (closed_) return;
    if (at_ == 0) piece_ += opening;
    const std::size_t end = std::min(at_ + members_per_piece, resources_.size());
    for (; at_ < end; ++at_) append_response(piece_, resources_[at_]);
    if (at_ == resources_.size()) {
      piece_ += closing;
      closed_ = true;
    }
  }

  std::vector<dav_resource> resources_;
  std::size_t at_ = 0, sent_ = 0;
  std::string piece_;
  bool closed_ = false;
};

} // namespace

std::optional<listing_depth> parse_depth(const http::header_table& fields) {
  const auto value = fields.get("depth");
  if (!value || iequals(*value, "infinity")) return listing_depth::infinity;
  if (*value == "0") return listing_depth::zero;
  if (*value == "1") return listing_depth::one;
  return std::nullopt;
}

void append_response(std::string& out, const dav_resource& resource) {
  out += "<D:response><D:href>";
  out += xml_escape(resource.href);
  out += "</D:href><D:propstat><D:prop>";
  out += resource.collection ? "<D:resourcetype><D:collection/></D:resourcetype>" : "<D:resourcetype/>";
  const auto length = resource.collection ? std::optional<std::uint64_t>(0) : resource.length_bytes;
  if (length) out += fmt::format("<D:getcontentlength>{}</D:getcontentlength>", *length);
  // A date that nobody knows is the epoch's: clients of Pelican parse the field of every entry.
  out += fmt::format("<D:getlastmodified>{}</D:getlastmodified>",
                     http::format_date(resource.modified.value_or(wall_time{})));
  if (!resource.etag.empty()) out += fmt::format("<D:getetag>{}</D:getetag>", xml_escape(to_valid_utf8(resource.etag)));
  out += "</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>\n";
}

std::string canonical_href(std::string_view path) {
  const auto decoded = percent_decode(path);
  return percent_encode(decoded ? std::string_view(*decoded) : path, "/");
}

std::vector<dav_resource> resources_of(const std::vector<origin::list_entry>& listed, std::string_view prefix,
                                       const std::string& base_href, bool recursive) {
  std::vector<dav_resource> resources;
  resources.reserve(listed.size() + 1);
  resources.push_back({base_href.ends_with('/') ? base_href : base_href + "/", true, {}, {}, {}});
  const std::string base = resources.front().href;
  std::set<std::string, std::less<>> directories; // as keys below the prefix, each ending in '/'
  for (const origin::list_entry& entry : listed) {
    if (!std::string_view(entry.key).starts_with(prefix)) continue;
    std::string_view below = std::string_view(entry.key).substr(prefix.size());
    if (below.empty()) continue; // the marker of the directory itself
    auto& latest = resources.front().modified;
    if (entry.modified && (!latest || *latest < *entry.modified)) latest = entry.modified;
    if (recursive) {
      for (std::size_t at = below.find('/'); at != std::string_view::npos; at = below.find('/', at + 1)) {
        const auto [place, fresh] = directories.emplace(below.substr(0, at + 1));
        if (fresh) resources.push_back({base + percent_encode(*place, "/"), true, {}, {}, {}});
      }
    }
    const bool collection = entry.directory || below.ends_with('/');
    if (collection) {
      std::string key(below);
      if (!key.ends_with('/')) key.push_back('/');
      if (!directories.emplace(key).second) continue;
      resources.push_back({base + percent_encode(key, "/"), true, {}, entry.modified, {}});
    } else {
      resources.push_back({base + percent_encode(below, "/"), false, entry.length_bytes, entry.modified, entry.etag});
    }
  }
  return resources;
}

std::unique_ptr<http::body_source> make_multistatus(std::vector<dav_resource> resources) {
  return std::make_unique<multistatus_body>(std::move(resources));
}

std::string render_multistatus(const std::vector<dav_resource>& resources) {
  std::string text(opening);
  for (const dav_resource& one : resources) append_response(text, one);
  text += closing;
  return text;
}

} // namespace forebay::front
