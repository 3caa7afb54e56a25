#include "space/space.h"

#include <fmt/format.h>

#include <algorithm>
#include <list>
#include <mutex>
#include <unordered_map>

#include "base/text.h"
#include "http/url.h"
#include "origin/ipfs/cid.h"
#include "origin/s3/endpoint.h"
#include "space/guarded.h"
#include "space/path.h"

namespace forebay::space {
namespace {

/// Sources of open stores that are kept ready; readers choose them, so there is a bound.
constexpr std::size_t open_spaces_kept = 1024;

struct string_hash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
};

bool is_plain(std::string_view name, std::string_view also) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [&](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           also.find(static_cast<char>(c)) != std::string_view::npos;
  });
}

/// The first segment of `rest` ("bucket/key"), which is taken off together with the slash behind it.
std::string_view take_segment(std::string_view& rest) {
  const std::size_t slash = rest.find('/');
  const std::string_view segment = rest.substr(0, slash);
  rest = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1);
  return segment;
}

/// An open store as a reader named it: the URL of its source and the path it stands at.
struct open_name {
  std::string url, path, label;
  std::string_view key;
};

/// `setting`: what its operator would change.
tl::unexpected<error> not_offered(std::string_view what, std::string_view setting) {
  return fail(error_kind::forbidden, "open stores",
              fmt::format("this node does not serve {}: {} in its configuration does not allow it", what, setting));
}
tl::unexpected<error> malformed(std::string_view kind, std::string_view found, std::string_view expected) {
  return fail(error_kind::invalid_input, "open stores",
              fmt::format("found \"{}\" after /{}/; expected {}", found, kind, expected));
}

result<open_name> name_bucket(std::string_view kind, bool offered, const std::vector<std::string>& allowed,
                              std::string_view url_before, std::string_view url_after, std::string_view rest) {
  const std::string_view bucket = take_segment(rest);
  if (!offered) return not_offered(fmt::format("/{}", kind), fmt::format("open.{}", kind));
  // A wrong name would be asked for in DNS, and blamed on the store.
  if (kind == "s3" && !origin::s3::is_bucket_name(bucket))
    return malformed(kind, bucket, origin::s3::bucket_name_rules);
  if (!is_plain(bucket, ".-_"))
    return malformed(kind, bucket, "a bucket's name: lower-case letters, digits, '-', '.' and '_'");
  if (!name_allowed(allowed, bucket))
    return not_offered(fmt::format("/{}/{}", kind, bucket), fmt::format("open.{}_buckets", kind));
  return open_name{fmt::format("{}{}{}", url_before, bucket, url_after), fmt::format("/{}/{}", kind, bucket),
                   fmt::format("/{}", kind), rest};
}

result<open_name> name_azure(const open_store_policy& open, std::string_view rest) {
  const std::string_view account = take_segment(rest);
  const std::string_view container = take_segment(rest);
  if (!open.az) return not_offered("/az", "open.az");
  if (!is_plain(account, "") || !is_plain(container, "$-")) {
    return malformed("az", fmt::format("{}/{}", account, container),
                     "account and container: letters, digits and, in a container, '-' and '$'");
  }
  if (!name_allowed(open.az_accounts, account)) return not_offered(fmt::format("/az/{}", account), "open.az_accounts");
  return open_name{fmt::format("az://{}/{}?anonymous=true", account, container),
                   fmt::format("/az/{}/{}", account, container), "/az", rest};
}

/// Connections are checked by address, too; but what is held needs none.
bool is_refused_address(const net::address_policy& policy, const std::string& url) {
  const auto parts = http::parse_url(url);
  const auto address = parts ? net::ip_address::parse(parts->host) : std::nullopt;
  return address && !policy.permits(*address);
}

result<open_name> name_host(std::string_view scheme, const open_store_policy& open, std::string_view rest) {
  const std::vector<std::string>& allowed = scheme == "https" ? open.https_hosts : open.http_hosts;
  const std::string host = to_lower(take_segment(rest));
  const std::string setting = fmt::format("open.{}_hosts", scheme);
  if (allowed.empty()) return not_offered(fmt::format("/{}", scheme), setting);
  if (!is_host(host)) {
    return malformed(scheme, host, "a host such as data.example.org, data.example.org:8443 or [2001:db8::1]");
  }
  std::string_view bare = host;
  const std::string_view usual_port = scheme == "https" ? ":443" : ":80";
  if (bare.ends_with(usual_port)) bare.remove_suffix(usual_port.size());
  if (!host_allowed(allowed, bare)) return not_offered(fmt::format("/{}/{}", scheme, bare), setting);
  std::string url = fmt::format("{}://{}", scheme, bare);
  if (is_refused_address(open.addresses, url))
    return fail(error_kind::forbidden, "open stores",
                fmt::format("{} is private, local or reserved, and network.allow_private in the configuration does not "
                            "name its network",
                            bare));
  return open_name{std::move(url), fmt::format("/{}/{}", scheme, bare), fmt::format("/{}", scheme), rest};
}

result<open_name> name_cid(const std::vector<std::string>& allowed, std::string_view rest) {
  const std::string_view written = take_segment(rest);
  if (allowed.empty()) return not_offered("/ipfs", "open.ipfs_cids");
  const auto root = origin::ipfs::parse_cid(written);
  if (!root) return malformed("ipfs", written, "the CID of a raw or dag-pb block, by sha2-256 or blake2b-256");
  const std::string cid = root->to_string(); // a CID has many spellings
  if (!name_allowed(allowed, cid)) return not_offered(fmt::format("/ipfs/{}", cid), "open.ipfs_cids");
  return open_name{fmt::format("ipfs://{}", cid), fmt::format("/ipfs/{}", written), "/ipfs", rest};
}

} // namespace

struct space_map::impl {
  /// Spaces of open stores, the most recently used first.
  struct open_spaces {
    using entry = std::pair<std::string, std::shared_ptr<const name_space>>;
    std::mutex mutex;
    std::list<entry> order;
    std::unordered_map<std::string_view, std::list<entry>::iterator> by_url; ///< views into `order`

    std::shared_ptr<const name_space> find(const std::string& url) {
      const std::lock_guard lock(mutex);
      const auto found = by_url.find(url);
      if (found == by_url.end()) return nullptr;
      order.splice(order.begin(), order, found->second);
      return found->second->second;
    }
    /// Keeps `fresh`, unless another request was faster: then that one counts.
    std::shared_ptr<const name_space> keep(const std::string& url, std::shared_ptr<const name_space> fresh) {
      const std::lock_guard lock(mutex);
      if (const auto found = by_url.find(url); found != by_url.end()) return found->second->second;
      order.emplace_front(url, std::move(fresh));
      by_url.emplace(order.front().first, order.begin());
      if (order.size() > open_spaces_kept) {
        by_url.erase(order.back().first);
        order.pop_back();
      }
      return order.front().second;
    }
  };

  result<open_name> recognise(std::string_view decoded) const {
    std::string_view rest = decoded.substr(1);
    const std::string_view kind = take_segment(rest);
    if (kind == "s3") return name_bucket(kind, open.s3, open.s3_buckets, "s3://", "?anonymous=true", rest);
    if (kind == "gs") return name_bucket(kind, open.gs, open.gs_buckets, "gs://", "?anonymous=true", rest);
    if (kind == "az") return name_azure(open, rest);
    if (kind == "ipfs") return name_cid(open.ipfs_cids, rest);
    if (kind == "https") return name_host(kind, open, rest);
    if (kind == "http") return name_host(kind, open, rest);
    return fail(error_kind::not_found, "namespaces", "no namespace stands at this path");
  }

  bool is_configured(const name_space& space) const {
    const auto found = by_path.find(space.path);
    return found != by_path.end() && found->second.get() == &space;
  }
  bool hides(const name_space& space, const std::string& key) const {
    return guarded.hold_path(space, key) || (!is_configured(space) && guarded.hold_object(space, key));
  }
  /// Where objects are read under other names than their own, the rules of their namespace would not be asked.
  result<placement> checked(placement found) const {
    if (guarded.empty() || !hides(*found.space, found.key)) return found;
    return fail(error_kind::forbidden, "namespaces",
                "this is a name for what lies in a namespace that is not public: read it there");
  }

  result<std::shared_ptr<const name_space>> open_space(const open_name& named) {
    if (auto ready = made.find(named.url)) return ready;
    auto origin = make(named.url);
    if (!origin) return fail(std::move(origin.error()));
    auto fresh = std::make_shared<name_space>();
    fresh->path = named.path;
    fresh->origins = {std::move(*origin)};
    fresh->freshness = open.freshness;
    fresh->disk = open.disk;
    fresh->tenant = storage::open_stores_tenant;
    fresh->label = named.label;
    return made.keep(named.url, std::move(fresh));
  }

  std::vector<std::shared_ptr<const name_space>> spaces;
  std::unordered_map<std::string, std::shared_ptr<const name_space>, string_hash, std::equal_to<>> by_path;
  guarded_spaces guarded;
  open_store_policy open;
  make_source make;
  open_spaces made;
};

bool matches_any(const std::vector<std::string>& patterns, std::string_view key) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [key](const std::string& pattern) { return glob_match(pattern, key); });
}

space_map::space_map(std::vector<std::shared_ptr<const name_space>> spaces, open_store_policy open, make_source make)
    : impl_(std::make_unique<impl>()) {
  impl_->spaces = std::move(spaces);
  impl_->guarded = guarded_spaces(impl_->spaces);
  impl_->open = std::move(open);
  impl_->make = std::move(make);
  for (const auto& each : impl_->spaces) impl_->by_path.emplace(each->path, each);
}
space_map::~space_map() = default;

result<placement> space_map::resolve(std::string_view path, std::string_view query) const {
  auto decoded = decode_path(path);
  if (!decoded) return fail(std::move(decoded.error()));
  const std::string_view whole = *decoded;
  // From the whole path upwards, cut at slashes: the first that is known is the longest.
  for (std::size_t end = whole.size();; end = whole.rfind('/', end - 1)) {
    const auto found = impl_->by_path.find(whole.substr(0, end));
    if (found != impl_->by_path.end()) {
      const std::size_t key_at = std::min(end + 1, whole.size());
      return impl_->checked({found->second, std::string(whole.substr(key_at)), std::string(query)});
    }
    if (end == 0) break;
  }
  const auto named = impl_->recognise(whole);
  if (!named) return fail(named.error());
  auto space = impl_->open_space(*named);
  if (!space) return fail(std::move(space.error()));
  return impl_->checked({std::move(*space), std::string(named->key), std::string(query)});
}

std::string default_bucket(std::string_view path) {
  if (path.empty()) return "root";
  std::string name(path.substr(1));
  std::replace(name.begin(), name.end(), '/', '-');
  return name;
}

result<placement> space_map::in_bucket(const std::string& bucket, std::string key) const {
  const auto& spaces = impl_->spaces;
  const auto found = std::find_if(spaces.begin(), spaces.end(), [&](const auto& one) { return one->bucket == bucket; });
  if (!bucket.empty() && found != spaces.end()) return impl_->checked({*found, std::move(key), {}});
  if (!impl_->open.s3 || !origin::s3::is_bucket_name(bucket))
    return fail(error_kind::not_found, "buckets", fmt::format("there is no bucket \"{}\" here", to_valid_utf8(bucket)));
  const auto named = impl_->recognise("/s3/" + bucket);
  if (!named) return fail(named.error());
  auto space = impl_->open_space(*named);
  if (!space) return fail(std::move(space.error()));
  return impl_->checked({std::move(*space), std::move(key), {}});
}

const std::vector<std::shared_ptr<const name_space>>& space_map::spaces() const noexcept { return impl_->spaces; }

bool space_map::keeps(std::string_view label, std::string_view key) const {
  const auto& spaces = impl_->spaces;
  const auto found =
      std::find_if(spaces.begin(), spaces.end(), [label](const auto& one) { return one->label == label; });
  return matches_any(found == spaces.end() ? impl_->open.disk.keep : (*found)->disk.keep, key);
}

bool space_map::hides(const name_space& space, const std::string& key) const {
  return !impl_->guarded.empty() && impl_->hides(space, key);
}

std::string space_map::describe(const std::function<bool(const name_space&)>& shown) const {
  std::vector<std::string> places;
  for (const auto& each : impl_->spaces) {
    if (!shown || shown(*each)) places.push_back(each->path + "/");
  }
  std::sort(places.begin(), places.end());
  const open_store_policy& open = impl_->open;
  if (open.s3) places.emplace_back("/s3/{bucket}/{key}");
  if (open.gs) places.emplace_back("/gs/{bucket}/{key}");
  if (open.az) places.emplace_back("/az/{account}/{container}/{key}");
  if (!open.ipfs_cids.empty()) places.emplace_back("/ipfs/{cid}/{path}");
  if (!open.https_hosts.empty()) places.emplace_back("/https/{host}/{path}");
  if (!open.http_hosts.empty()) places.emplace_back("/http/{host}/{path}");
  if (places.empty())
    return impl_->spaces.empty() ? "This node serves no namespace." : "This node serves no public namespace.";
  return fmt::format("This node serves {}.", fmt::join(places, ", "));
}

} // namespace forebay::space
